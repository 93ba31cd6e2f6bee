"""Calls per item: splits lists of inputs into calls, and joins the calls' results into lists of outputs.

A node that does not take lists is called once for every item of its longest input; shorter lists repeat their last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.engine.errors import EmptyListInput, NotANodeResult
from host.engine.schemas import Schema
from sdk.nodes import Blocker, NodeResult

Call = dict[str, Any] | Blocker
"""The inputs of one call, or the blocker that stands in its way."""

Outputs = tuple[list[Any], ...]
"""Per output slot, the list of its values."""


def split(lists: Mapping[str, list[Any]], takes_lists: bool) -> list[Call]:
    """The calls that a node's input lists amount to.

    Raises:
        EmptyListInput: one list is empty beside others that are not.
    """
    if takes_lists:
        blocker = next((item for values in lists.values() for item in values if isinstance(item, Blocker)), None)
        # Copies, because a node may change its lists, and these are the ones the cache holds.
        return [blocker or {name: list(values) for name, values in lists.items()}]
    count = max((len(values) for values in lists.values()), default=0)
    if count == 0:
        return [{}]
    for name, values in lists.items():
        if not values:
            raise EmptyListInput(name)
    return [_call(lists, index) for index in range(count)]


def _call(lists: Mapping[str, list[Any]], index: int) -> Call:
    inputs = {name: values[min(index, len(values) - 1)] for name, values in lists.items()}
    return next((value for value in inputs.values() if isinstance(value, Blocker)), inputs)


def checked(result: object) -> NodeResult:
    """The result of a call.

    Raises:
        NotANodeResult: it is something else.
    """
    if isinstance(result, NodeResult):
        return result
    raise NotANodeResult(result)


def blocked(schema: Schema) -> NodeResult:
    """What a node gives that was not called: every output is blocked, silently from here on."""
    return NodeResult(outputs=(Blocker(),) * len(schema.output_types))


def columns(result: NodeResult, schema: Schema) -> Outputs:
    """One call's outputs as lists per slot; a blocker stands for itself even where a list is declared."""
    is_list = schema.is_list
    if True not in is_list:
        return tuple([[value] for value in result.outputs])
    return tuple(
        list(value) if slot < len(is_list) and is_list[slot] and not isinstance(value, Blocker) else [value]
        for slot, value in enumerate(result.outputs)
    )


def join(calls: Sequence[Outputs]) -> Outputs:
    """Per output slot, the values of all calls laid end to end; a call without a slot counts as None there."""
    if len(calls) == 1:
        return calls[0]
    width = max((len(call) for call in calls), default=0)
    return tuple(
        [value for call in calls for value in (call[slot] if slot < len(call) else (None,))] for slot in range(width)
    )


def join_ui(results: Sequence[NodeResult]) -> dict[str, list[Any]]:
    """What all calls show, lists of the same name laid end to end."""
    shown: dict[str, list[Any]] = {}
    for result in results:
        for name, values in (result.ui or {}).items():
            shown.setdefault(name, []).extend(values)
    return shown
