"""``--set 3.seed=42``: changes to a prompt's inputs from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from host.errors import OverrideError
from sdk.nodes import Input, NodeType

LISTED = 20
_EXAMPLES = {"INT": "42", "FLOAT": "7.5", "BOOLEAN": "true or false"}


class NodeLookup(Protocol):
    """Finds the node type of a class name."""

    def get(self, class_type: object) -> NodeType | None: ...


def apply_overrides(prompt: Mapping[str, Any], overrides: Iterable[str], schemas: NodeLookup) -> dict[str, Any]:
    """A copy of the prompt with each ``node.input=value`` applied.

    ``node`` is a node's id, or its title where only one node has it; ``value`` is read as the input's type
    wants it: text for STRING and COMBO, JSON for everything else; ``["4", 0]`` is a link where there is a node 4.

    Raises:
        OverrideError: the node or input is not there, or the value can't be read.
    """
    changed: dict[str, Any] = dict(prompt)
    for override in overrides:
        place, separator, text = override.partition("=")
        node_name, dot, name = place.strip().rpartition(".")
        if not separator or not dot or not name:
            raise OverrideError(override, "write it as node.input=value, for example 3.seed=42")
        node_id = _node_id(override, node_name, changed)
        node = changed[node_id]
        inputs = node.get("inputs")
        inputs = inputs if isinstance(inputs, Mapping) else {}
        value = _value(override, text, _input(override, node, name, inputs, schemas), changed)
        changed[node_id] = {**node, "inputs": {**inputs, name: value}}
    return changed


def _node_id(override: str, name: str, prompt: Mapping[str, Any]) -> str:
    nodes = {node_id: node for node_id, node in prompt.items() if isinstance(node, Mapping)}
    if name in nodes:
        return name
    titled = [node_id for node_id, node in nodes.items() if _title(node) == name]
    if len(titled) == 1:
        return titled[0]
    if titled:
        raise OverrideError(override, f"{len(titled)} nodes are titled {name!r} ({', '.join(titled)}); use an id")
    known = ", ".join(f"{node_id} ({node.get('class_type')})" for node_id, node in list(nodes.items())[:LISTED])
    more = f" and {len(nodes) - LISTED} more" if len(nodes) > LISTED else ""
    raise OverrideError(override, f"there is no node {name!r}; there are: {known}{more}")


def _title(node: Mapping[str, Any]) -> object:
    meta = node.get("_meta")
    return meta.get("title") if isinstance(meta, Mapping) else None


def _input(
    override: str, node: Mapping[str, Any], name: str, inputs: Mapping[str, Any], schemas: NodeLookup
) -> Input | None:
    node_type = schemas.get(node.get("class_type"))
    if node_type is None:
        return None  # validation names the unknown class; nothing better can be said here
    declared = node_type.input(name)
    if declared is None and name not in inputs:
        known = ", ".join(item.name for item in node_type.inputs) or "none"
        raise OverrideError(override, f"{node_type.id} has no input {name!r}; it has: {known}")
    return declared


def _value(override: str, text: str, declared: Input | None, prompt: Mapping[str, Any]) -> Any:
    if declared is not None and declared.type in ("STRING", "COMBO"):
        link = _link(text, prompt)
        if link is not None:
            return link
        return text if declared.type == "STRING" else _choice(text, declared)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if declared is None:
            return text
        expected = _EXAMPLES.get(declared.type, 'a link such as ["4", 0]')
        raise OverrideError(override, f"{text!r} is no {declared.type}; give {expected}") from error


def _link(text: str, prompt: Mapping[str, Any]) -> list[Any] | None:
    """The link a text spells out, if it leads to a node; a text may begin with a bracket without being one."""
    try:
        value = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return None
    return value if value[0] in prompt and type(value[1]) is int else None


def _choice(text: str, declared: Input) -> Any:
    choices = declared.choices if isinstance(declared.choices, tuple) else ()
    return next((choice for choice in choices if str(choice) == text), text)
