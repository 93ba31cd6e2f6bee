"""Makes a ``NodeType`` of a node class in the first style: ``INPUT_TYPES``, ``RETURN_TYPES``, ``FUNCTION``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any

from host.comfyui import calls
from host.comfyui.errors import PackDefinitionError
from host.comfyui.handles import to_packs
from host.comfyui.home import home
from host.comfyui.origin import Origin
from host.comfyui.results import finish
from host.comfyui.runner import make_run
from host.comfyui.running import NodeState
from host.comfyui.v1_inputs import Declared, read_inputs
from sdk.markers import Hidden
from sdk.nodes import Determinism, NodeType, Output, RunFunction
from sdk.sockets import COMBO


def read_class(origin: Origin, node_id: str, title: str | None, node_class: type) -> NodeType:
    """The node a class defines, with its inputs as ``INPUT_TYPES`` gives them now.

    Args:
        title: its display name; None for its id.

    Raises:
        PackDefinitionError: the class lacks something or declares it wrongly.
    """
    declared = _declared(origin, node_id, node_class)
    outputs, output_info = _outputs(origin, node_id, node_class)
    known = [*(item.name for item in declared.inputs), *declared.hidden]
    check = getattr(node_class, "VALIDATE_INPUTS", None)
    is_changed = getattr(node_class, "IS_CHANGED", None)
    per_node = getattr(node_class, "NOT_IDEMPOTENT", False) or Hidden.UNIQUE_ID in declared.hidden.values()
    return NodeType(
        id=node_id,
        title=title or node_id,
        category=str(getattr(node_class, "CATEGORY", "sd")),
        description=str(getattr(node_class, "DESCRIPTION", "") or ""),
        inputs=declared.inputs,
        outputs=outputs,
        more_inputs=declared.more,
        hidden=declared.hidden,
        run=_run(origin, node_id, node_class, outputs),
        create=lambda: NodeState(node_class()),
        takes_lists=bool(getattr(node_class, "INPUT_IS_LIST", False)),
        output_node=getattr(node_class, "OUTPUT_NODE", False) is True,
        lazy=_ask_lazy if hasattr(node_class, "check_lazy_status") else None,
        validation=None if check is None else calls.validation(check, known),
        fingerprint=None if is_changed is None else calls.fingerprint(is_changed),
        determinism=Determinism.PER_NODE if per_node else Determinism.PURE,
        deprecated="its pack marks it as deprecated" if getattr(node_class, "DEPRECATED", False) else None,
        experimental=bool(getattr(node_class, "EXPERIMENTAL", False)),
        refresh=lambda: read_class(origin, node_id, title, node_class),
        python_module=origin.python_module,
        info=_info(declared, node_class) | output_info,
        function=node_class,
    )


def _declared(origin: Origin, node_id: str, node_class: type) -> Declared:
    input_types = getattr(node_class, "INPUT_TYPES", None)
    if not callable(input_types):
        raise PackDefinitionError(origin.pack, node_id, "the class has no INPUT_TYPES", "Add it as a class method.")
    home().sampling.refresh()
    try:
        declaration = finish(input_types())
    except Exception as error:
        raise PackDefinitionError(
            origin.pack,
            node_id,
            f"INPUT_TYPES raised {type(error).__name__}: {error}",
            "Make it a class method that needs nothing but the class.",
        ) from error
    return read_inputs(origin.pack, node_id, declaration)


def _run(origin: Origin, node_id: str, node_class: type, outputs: tuple[Output, ...]) -> RunFunction:
    name = _function_name(origin, node_id, node_class)
    is_async = inspect.iscoroutinefunction(getattr(node_class, name))
    return make_run(
        lambda state, inputs: (getattr(state.node, name), inputs), outputs, origin.describe(node_id), is_async=is_async
    )


def _function_name(origin: Origin, node_id: str, node_class: type) -> str:
    name = getattr(node_class, "FUNCTION", None)
    if not isinstance(name, str) or not callable(getattr(node_class, name, None)):
        raise PackDefinitionError(
            origin.pack,
            node_id,
            f"FUNCTION is {name!r}, which is no method of the class",
            "Name the method that works.",
        )
    return name


def _outputs(origin: Origin, node_id: str, node_class: type) -> tuple[tuple[Output, ...], dict[str, Any]]:
    """The outputs, and the types as declared where some are lists of choices."""
    types = getattr(node_class, "RETURN_TYPES", None)
    if not isinstance(types, list | tuple):
        raise PackDefinitionError(
            origin.pack,
            node_id,
            f"RETURN_TYPES is {types!r:.60}",
            'Make it a tuple; a single type needs its comma: ("IMAGE",).',
        )
    names = list(getattr(node_class, "RETURN_NAMES", None) or ())
    lists = list(getattr(node_class, "OUTPUT_IS_LIST", None) or ())
    tooltips = list(getattr(node_class, "OUTPUT_TOOLTIPS", None) or ())
    outputs = []
    for index, kind in enumerate(types):
        type_name = str.__str__(kind) if isinstance(kind, str) else COMBO
        outputs.append(
            Output(
                type=type_name,
                name=str(names[index]) if index < len(names) else type_name,
                is_list=bool(lists[index]) if index < len(lists) else False,
                tooltip=str(tooltips[index]) if index < len(tooltips) and tooltips[index] is not None else None,
            )
        )
    plain = all(isinstance(kind, str) for kind in types)
    return tuple(outputs), {} if plain else {"output": [k if isinstance(k, str) else list(k) for k in types]}


def _info(declared: Declared, node_class: type) -> dict[str, Any]:
    facts: dict[str, Any] = {"input_order": dict(declared.order)}
    if declared.odd_hidden:
        facts["input"] = {"hidden": declared.odd_hidden}
    if hasattr(node_class, "OUTPUT_TOOLTIPS"):
        facts["output_tooltips"] = list(node_class.OUTPUT_TOOLTIPS)
    if hasattr(node_class, "API_NODE"):
        facts["api_node"] = node_class.API_NODE
    return facts


def _ask_lazy(state: NodeState, inputs: dict[str, Any]) -> list[str] | Awaitable[list[str]]:
    return calls.wanted_inputs(state.node.check_lazy_status(**to_packs(inputs)))
