"""Makes a ``NodeType`` of a schema-style class: ``define_schema`` and ``execute``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from host.comfyui import calls
from host.comfyui.errors import PackDefinitionError
from host.comfyui.handles import to_packs
from host.comfyui.home import home
from host.comfyui.origin import Origin
from host.comfyui.runner import make_run
from host.comfyui.running import NodeState
from host.comfyui.surface.v3_schema import ComfyNode, Hidden, HiddenHolder, Schema
from host.comfyui.surface.v3_sockets import Input as SchemaInput
from host.comfyui.surface.v3_sockets import Output as SchemaOutput
from sdk.markers import Hidden as HiddenKind
from sdk.nodes import Determinism, Input, NodeType, Output, RunFunction
from sdk.sockets import COMBO

_HIDDEN_PREFIX = "hidden:"  # an input may be called `prompt` too, so hidden values get names no input can have

_Bind = Callable[[dict[str, Any]], tuple[type[ComfyNode], dict[str, Any]]]
"""Gives the class for one call, with its hidden values, and the other inputs."""


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
    outputs = tuple(_output(item) for item in schema.outputs or ())
    hidden = schema.all_hidden()
    known = [item.name for item in inputs]
    bind = _binder(node_class, schema.is_input_list)
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
        run=_run(bind, node_class, outputs, origin.describe(name)),
        create=NodeState,
        takes_lists=schema.is_input_list,
        output_node=schema.is_output_node,
        lazy=_lazy(bind) if hasattr(node_class, "check_lazy_status") else None,
        validation=check and calls.validation(check, known, all_is_known=True),
        fingerprint=_fingerprint(bind) if hasattr(node_class, "fingerprint_inputs") else None,
        determinism=Determinism.PER_NODE if per_node else Determinism.PURE,
        deprecated="its pack marks it as deprecated" if schema.is_deprecated else None,
        experimental=schema.is_experimental,
        refresh=lambda: read_schema_class(origin, node_id, node_class),
        python_module=origin.python_module,
        info=_info(schema, inputs, outputs),
    )


def _schema(origin: Origin, name: str, node_class: type[ComfyNode]) -> Schema:
    home().sampling.refresh()
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


def _output(item: SchemaOutput) -> Output:
    kind = item.get_io_type()
    return Output(type=kind, name=item.display_name or kind, is_list=item.is_output_list, tooltip=item.tooltip)


def _check_unique(origin: Origin, node: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PackDefinitionError(origin.pack, node, f"two inputs are called {name!r}", "Give each its own id.")
        seen.add(name)


def _fingerprint(bind: _Bind) -> Callable[[dict[str, Any]], Any]:
    def ask(inputs: dict[str, Any]) -> Any:
        bound, values = bind(inputs)
        return calls.fingerprint(bound.fingerprint_inputs)(values)  # type: ignore[attr-defined]

    return ask


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


def _run(bind: _Bind, node_class: type[ComfyNode], outputs: tuple[Output, ...], where: str) -> RunFunction:
    def execute(_state: NodeState, inputs: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        bound, values = bind(inputs)
        return bound.execute, values

    return make_run(execute, outputs, where, is_async=inspect.iscoroutinefunction(node_class.execute))


def _lazy(bind: _Bind) -> Callable[[Any, dict[str, Any]], list[str] | Awaitable[list[str]]]:
    def lazy(_state: NodeState, inputs: dict[str, Any]) -> list[str] | Awaitable[list[str]]:
        bound, values = bind(to_packs(inputs))
        return calls.wanted_inputs(bound.check_lazy_status(**values))  # type: ignore[attr-defined]

    return lazy


def _binder(node_class: type[ComfyNode], takes_lists: bool) -> _Bind:
    def bind(inputs: dict[str, Any]) -> tuple[type[ComfyNode], dict[str, Any]]:
        hidden: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for name, value in inputs.items():
            if not name.startswith(_HIDDEN_PREFIX):
                values[name] = value
            else:
                hidden[name.removeprefix(_HIDDEN_PREFIX)] = value[0] if takes_lists else value
        return node_class.with_hidden(HiddenHolder(**hidden)), values

    return bind
