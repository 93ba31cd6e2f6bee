"""``--set 3.seed=42``: changes to a prompt's inputs from the command line."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from host.errors import OverrideError
from sdk.nodes import Input, NodeType


class NodeLookup(Protocol):
    """Finds the node type of a class name."""

    def get(self, class_type: object) -> NodeType | None: ...


def apply_overrides(prompt: Mapping[str, Any], overrides: Iterable[str], schemas: NodeLookup) -> dict[str, Any]:
    """A copy of the prompt with each ``node.input=value`` applied.

    ``node`` is a node's id, or its title where only one node has it; ``value`` is read as the input's type
    wants it: text for STRING and COMBO, JSON for everything else.

    Raises:
        OverrideError: the node or input is not there, or the value can't be read.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(prompt))
    for override in overrides:
        place, separator, text = override.partition("=")
        node_name, dot, name = place.strip().rpartition(".")
        if not separator or not dot:
            raise OverrideError(override, "write it as node.input=value, for example 3.seed=42")
        node = changed[_node_id(override, node_name, changed)]
        node.setdefault("inputs", {})[name] = _value(override, text, _input(override, node, name, schemas))
    return changed


def _node_id(override: str, name: str, prompt: Mapping[str, Any]) -> str:
    if name in prompt:
        return name
    titled = [node_id for node_id, node in prompt.items() if node.get("_meta", {}).get("title") == name]
    if len(titled) == 1:
        return titled[0]
    if titled:
        raise OverrideError(override, f"{len(titled)} nodes are titled {name!r} ({', '.join(titled)}); use an id")
    known = ", ".join(f"{node_id} ({node.get('class_type')})" for node_id, node in list(prompt.items())[:20])
    raise OverrideError(override, f"there is no node {name!r}; there are: {known}")


def _input(override: str, node: Mapping[str, Any], name: str, schemas: NodeLookup) -> Input | None:
    node_type = schemas.get(node.get("class_type"))
    if node_type is None:
        return None  # validation names the unknown class; nothing better can be said here
    declared = node_type.input(name)
    if declared is None and name not in node.get("inputs", {}):
        known = ", ".join(item.name for item in node_type.inputs)
        raise OverrideError(override, f"{node_type.id} has no input {name!r}; it has: {known}")
    return declared


def _value(override: str, text: str, declared: Input | None) -> Any:
    if declared is not None and declared.type in ("STRING", "COMBO") and not text.startswith("["):
        return text if declared.type == "STRING" else _choice(text, declared)
    try:
        return json.loads(text)
    except ValueError as error:
        if declared is None or declared.type == "STRING":
            return text
        raise OverrideError(override, f"{text!r} is no {declared.type}") from error


def _choice(text: str, declared: Input) -> Any:
    choices = declared.choices if isinstance(declared.choices, tuple) else ()
    return next((choice for choice in choices if str(choice) == text), text)
