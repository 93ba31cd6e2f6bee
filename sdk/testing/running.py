"""Run one node the way the engine would, without an engine."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from sdk.errors import NodeError
from sdk.markers import Hidden
from sdk.nodes import MISSING, Input, NodeResult, NodeType
from sdk.testing.contexts import FakeContext


def run_node(node: NodeType, context: FakeContext | None = None, **inputs: Any) -> NodeResult:
    """What the node gives for these inputs; defaults are filled in, ranges and choices are checked.

    Raises:
        NodeError: an input is missing, unknown, out of range or not among the choices; or the node's own error.
    """
    known = {item.name: item for item in node.inputs}
    if strangers := set(inputs) - set(known) - set(node.hidden):
        raise NodeError(f"node {node.id!r} has no input {sorted(strangers)[0]!r}; it has {', '.join(known)}")
    values = {name: _value(node, item, inputs) for name, item in known.items() if _is_given(item, inputs)}
    values |= {name: inputs.get(name, _hidden(kind)) for name, kind in node.hidden.items()}
    _validate(node, values)
    if node.takes_lists:
        values = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    result = node.run(node.create() if node.create else None, values, context or FakeContext())
    if inspect.isawaitable(result):
        return asyncio.run(_settle(result))
    return result


async def _settle(result: Any) -> NodeResult:
    settled: NodeResult = await result
    return settled


def _is_given(item: Input, inputs: dict[str, Any]) -> bool:
    return item.required or item.name in inputs or item.default is not MISSING


def _value(node: NodeType, item: Input, inputs: dict[str, Any]) -> Any:
    value = inputs.get(item.name, item.default)
    if value is MISSING:
        raise NodeError(f"node {node.id!r} needs the input {item.name!r} ({item.type})")
    _check_range(node, item, value)
    if isinstance(item.choices, tuple) and value not in item.choices:
        raise NodeError(f"node {node.id!r}: {item.name} = {value!r} is not one of {list(item.choices)}")
    return value


def _check_range(node: NodeType, item: Input, value: Any) -> None:
    low, high = item.option("min"), item.option("max")
    if isinstance(value, (int, float)) and ((low is not None and value < low) or (high is not None and value > high)):
        raise NodeError(f"node {node.id!r}: {item.name} = {value} is outside {low}..{high}")


def _hidden(kind: Hidden | str) -> Any:
    return "1" if kind == Hidden.UNIQUE_ID else None


def _validate(node: NodeType, values: dict[str, Any]) -> None:
    if node.validation is None:
        return
    names = values if node.validation.names is None else node.validation.names
    said = node.validation.check(**{name: values.get(name) for name in names})
    if said is not True:
        raise NodeError(f"node {node.id!r} refuses its inputs: {said or 'no reason given'}")
