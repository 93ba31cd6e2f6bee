"""What of a workflow can be changed when it is run, as a JSON schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from host.overrides import NodeLookup
from sdk.nodes import Input
from sdk.sockets import COMBO

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "string", "BOOLEAN": "boolean"}


def override_schema(prompt: Mapping[str, Any], schemas: NodeLookup) -> dict[str, Any]:
    """The schema of ``overrides`` for a prompt in API format: one property for each constant, ``<node>.<input>``."""
    properties = {
        f"{node_id}.{declared.name}": _property(node, declared, value)
        for node_id, node in prompt.items()
        if isinstance(node, Mapping)
        for declared, value in _constants(node, schemas)
    }
    return {"$schema": DIALECT, "type": "object", "properties": properties, "additionalProperties": False}


def _constants(node: Mapping[str, Any], schemas: NodeLookup) -> Iterator[tuple[Input, Any]]:
    """The node's declared inputs that hold a constant, with it."""
    node_type = schemas.get(node.get("class_type"))
    inputs = node.get("inputs")
    if node_type is None or not isinstance(inputs, Mapping):
        return
    for name, value in inputs.items():
        declared = node_type.input(name)
        if declared is not None and (declared.type in _TYPES or declared.type == COMBO) and not _is_link(value):
            yield declared, value


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _property(node: Mapping[str, Any], declared: Input, value: Any) -> dict[str, Any]:
    meta = node.get("_meta")
    called = meta.get("title") if isinstance(meta, Mapping) else None
    facts: dict[str, Any] = {"title": f"{called or node.get('class_type')}: {declared.name}", "default": value}
    if declared.option("tooltip"):
        facts["description"] = declared.option("tooltip")
    if declared.type in _TYPES:
        bounds = {"minimum": declared.option("min"), "maximum": declared.option("max")}
        return (
            facts
            | {"type": _TYPES[declared.type]}
            | {name: bound for name, bound in bounds.items() if bound is not None}
        )
    choices = declared.choices if isinstance(declared.choices, tuple) else tuple(declared.option("options") or ())
    return facts | ({"enum": list(choices)} if choices else {})
