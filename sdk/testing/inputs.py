"""Checks the inputs of a node under test by the engine's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk.errors import NodeError
from sdk.markers import Hidden
from sdk.nodes import MISSING, Blocker, Input, NodeType
from sdk.sockets import COMBO

_CONVERSIONS: Mapping[str, Any] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_HIDDEN: Mapping[Hidden | str, Any] = {Hidden.UNIQUE_ID: "1", Hidden.PROMPT: {}}


def read_inputs(node: NodeType, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the engine hands them to the node: defaults filled in, constants converted and checked.

    Raises:
        NodeError: an input is missing, unknown, no value of its type, out of range or not among the choices, or the
            node's own validation refuses it.
    """
    known = {item.name: item for item in node.inputs}
    if strangers := sorted(set(given) - set(known) - set(node.hidden)):
        raise NodeError(f"node {node.id!r} has no input {strangers[0]!r}; it has {', '.join(known) or 'none'}")
    # Lazy inputs are None until they are asked for, whether they are required or not.
    values = {name: _value(node, item, given) for name, item in known.items() if _is_given(item, given)}
    _validate(node, values)
    values |= {name: given.get(name, _HIDDEN.get(kind)) for name, kind in node.hidden.items()}
    if node.takes_lists:
        return {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return values


def _is_given(item: Input, given: Mapping[str, Any]) -> bool:
    return item.name in given or item.default is not MISSING or (item.required and not item.lazy)


def _value(node: NodeType, item: Input, given: Mapping[str, Any]) -> Any:
    value = given.get(item.name, item.default)
    if value is MISSING:
        raise NodeError(f"node {node.id!r} needs the input {item.name!r} ({item.type})")
    if node.takes_lists and isinstance(value, list):
        return [_constant(node, item, each) for each in value]
    return _constant(node, item, value)


def _constant(node: NodeType, item: Input, value: Any) -> Any:
    convert = _CONVERSIONS.get(item.type)
    if convert is not None and value is not None and type(value) is not convert:
        try:
            value = convert(value)
        except (TypeError, ValueError) as error:
            raise NodeError(f"node {node.id!r}: {item.name} = {value!r} is no {item.type} ({error})") from error
    if not _trusted(node, item):
        _check_range(node, item, value)
        if item.type == COMBO and isinstance(item.choices, tuple) and value not in item.choices:
            raise NodeError(f"node {node.id!r}: {item.name} = {value!r} is not one of {list(item.choices)}")
    return value


def _trusted(node: NodeType, item: Input) -> bool:
    """Whether range and choices of an input are left to the node's own validation."""
    names = node.validation.names if node.validation else frozenset()
    return names is None or item.name in names


def _check_range(node: NodeType, item: Input, value: Any) -> None:
    low, high = item.option("min"), item.option("max")
    if isinstance(value, (int, float)) and ((low is not None and value < low) or (high is not None and value > high)):
        raise NodeError(f"node {node.id!r}: {item.name} = {value} is outside {low}..{high}")


def _validate(node: NodeType, values: Mapping[str, Any]) -> None:
    """Ask the node's own validation, which sees constants; what comes over a link is None before a run."""
    if node.validation is None:
        return
    types = {item.name: item.type for item in node.inputs}
    names = values.keys() if node.validation.names is None else node.validation.names & values.keys()
    linked = {name: types[name] for name in values if types[name] not in _CONVERSIONS and types[name] != COMBO}
    said: dict[str, Any] = {name: None if name in linked else values[name] for name in names}
    if node.takes_lists:
        said = {name: value if isinstance(value, list) else [value] for name, value in said.items()}
    if node.validation.wants_types:
        said["input_types"] = linked
    if not said:
        return
    answer: Any = node.validation.check(**said)
    if answer is not True and not isinstance(answer, Blocker):
        raise NodeError(f"node {node.id!r} refuses its inputs: {answer or 'no reason given'}")
