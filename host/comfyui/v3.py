"""Makes a ``NodeType`` of a schema-style class: ``define_schema`` and ``execute``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from host.comfyui import calls
from host.comfyui.errors import PackDefinitionError
from host.comfyui.origin import Origin
from host.comfyui.runner import make_run
from host.comfyui.running import NodeState
from host.comfyui.surface.v3_schema import ComfyNode, Hidden, HiddenHolder, Schema
from host.comfyui.surface.v3_sockets import Input as SchemaInput
from sdk.markers import Hidden as HiddenKind
from sdk.nodes import Determinism, Input, NodeType, Output, RunFunction
from sdk.sockets import COMBO

_HIDDEN_PREFIX = "hidden:"  # an input may be called `prompt` too, so hidden values get names no input can have


def read_schema_class(origin: Origin, node_id: str | None, node_class: type[ComfyNode]) -> NodeType:
    """The node a schema-style class defines.

    Args:
        node_id: the name it is registered under; None for the schema's own.

    Raises:
        PackDefinitionError: the schema can't be made or contradicts itself.
    """
    schema = _schema(origin, node_id or node_class.__name__, node_class)
    name = node_id or schema.node_id
    inputs = tuple(_input(item) for item in schema.inputs or ())
    _check_unique(origin, name, [item.name for item in inputs])
    outputs = tuple(
        Output(
            type=item.get_io_type(),
            name=item.display_name or item.get_io_type(),
            is_list=item.is_output_list,
            tooltip=item.tooltip,
        )
        for item in schema.outputs or ()
    )
    hidden = schema.all_hidden()
    where = origin.describe(name)
    known = [item.name for item in inputs]
    check = getattr(node_class, "validate_inputs", None)
    per_node = schema.not_idempotent or Hidden.unique_id in hidden
    return NodeType(
        id=name,
        title=schema.display_name,
        category=schema.category,
        description=schema.description or "",
        inputs=inputs,
        outputs=outputs,
        hidden={_HIDDEN_PREFIX + item.name: HiddenKind(item.value) for item in hidden},
        run=_run(node_class, outputs, where),
        create=NodeState,
        takes_lists=schema.is_input_list,
        output_node=schema.is_output_node,
        lazy=_lazy(node_class) if hasattr(node_class, "check_lazy_status") else None,
        validation=check and calls.validation(check, as_lists=schema.is_input_list, known=known),
        fingerprint=_fingerprint(node_class, schema, where),
        determinism=Determinism.PER_NODE if per_node else Determinism.PURE,
        deprecated="its pack marks it as deprecated" if schema.is_deprecated else None,
        experimental=schema.is_experimental,
        refresh=lambda: read_schema_class(origin, node_id, node_class),
        python_module=origin.python_module,
        info=_info(schema, inputs, outputs),
    )


def _schema(origin: Origin, name: str, node_class: type[ComfyNode]) -> Schema:
    try:
        schema = node_class.GET_SCHEMA()
    except Exception as error:
        raise PackDefinitionError(
            origin.pack, name, f"define_schema raised {type(error).__name__}: {error}", "Make it give an io.Schema."
        ) from error
    if not isinstance(schema, Schema):
        raise PackDefinitionError(
            origin.pack, name, f"define_schema gave {type(schema).__name__}", "Make it give an io.Schema."
        )
    return schema


def _input(item: SchemaInput) -> Input:
    options = item.as_dict()
    is_combo = item.get_io_type() == COMBO
    return Input(
        name=item.id,
        type=item.get_io_type(),
        required=not item.optional,
        choices=tuple(options.get("options", ())) if is_combo else None,
        options=options,
        typed_combo=is_combo,
    )


def _check_unique(origin: Origin, node: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PackDefinitionError(origin.pack, node, f"two inputs are called {name!r}", "Give each its own id.")
        seen.add(name)


def _fingerprint(node_class: type[ComfyNode], schema: Schema, where: str) -> Callable[[dict[str, Any]], Any] | None:
    function = getattr(node_class, "fingerprint_inputs", None)
    if function is None:
        return None
    ask = calls.fingerprint(function, as_lists=schema.is_input_list, where=where)
    return lambda inputs: ask({name: value for name, value in inputs.items() if not _is_hidden(name)})


def _info(schema: Schema, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> dict[str, Any]:
    hidden = schema.all_hidden()
    order = {"required": [item.name for item in inputs if item.required]}
    if len(order["required"]) < len(inputs):
        order["optional"] = [item.name for item in inputs if not item.required]
    facts: dict[str, Any] = {
        "display_name": schema.display_name,
        "output_tooltips": [item.tooltip for item in outputs],
        "deprecated": schema.is_deprecated,
        "experimental": schema.is_experimental,
        "api_node": schema.is_api_node,
    }
    if hidden:
        order["hidden"] = [item.name for item in hidden]
        facts["input"] = {"hidden": {item.name: [item.value] for item in hidden}}
    return facts | {"input_order": order}


def _run(node_class: type[ComfyNode], outputs: tuple[Output, ...], where: str) -> RunFunction:
    def bind(_state: NodeState, inputs: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        bound, values = _bind(node_class, inputs)
        return bound.execute, values

    return make_run(bind, outputs, where, is_async=inspect.iscoroutinefunction(node_class.execute))


def _lazy(node_class: type[ComfyNode]) -> Callable[[Any, dict[str, Any]], list[str] | Awaitable[list[str]]]:
    def lazy(_state: NodeState, inputs: dict[str, Any]) -> list[str] | Awaitable[list[str]]:
        bound, values = _bind(node_class, inputs)
        return calls.wanted_inputs(bound.check_lazy_status(**values))  # type: ignore[attr-defined]

    return lazy


def _bind(node_class: type[ComfyNode], inputs: dict[str, Any]) -> tuple[type[ComfyNode], dict[str, Any]]:
    """The class with the hidden values of this call, and the other inputs."""
    hidden = {name.removeprefix(_HIDDEN_PREFIX): value for name, value in inputs.items() if _is_hidden(name)}
    values = {name: value for name, value in inputs.items() if not _is_hidden(name)}
    return node_class.with_hidden(HiddenHolder(**hidden)), values


def _is_hidden(name: str) -> bool:
    return name.startswith(_HIDDEN_PREFIX)
