"""Calls one node: makes its state, asks for its lazy inputs, and runs it once per item."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from host.engine.context import RunContext
from host.engine.environment import Environment
from host.engine.graph import GraphNode
from host.engine.mapping import Call, blocked
from sdk.current_call import NodeCall, current_call
from sdk.nodes import Blocker


def state_of(node: GraphNode, states: dict[tuple[str, str], Any]) -> Any:
    """The node's own state, made when it is first needed; None for nodes that have none."""
    create = node.schema.node.create
    if create is None:
        return None
    key = node.id, node.class_type
    if key not in states:
        states[key] = create()
    return states[key]


def wanted(node: GraphNode, state: Any, calls: Sequence[Call], complete: Callable[[Awaitable[Any]], Any]) -> set[str]:
    """The lazy inputs that a node asks for, over all of its calls; ``complete`` waits for an awaitable."""
    lazy = node.schema.node.lazy
    assert lazy is not None, "only nodes with lazy inputs are asked"
    names: set[str] = set()
    for inputs in calls:
        if not isinstance(inputs, Blocker):
            answer = lazy(state, inputs)
            given = complete(answer) if inspect.isawaitable(answer) else answer
            names |= {name for name in given or () if isinstance(name, str)}
    return names


def messages_of(calls: Sequence[Call]) -> Iterator[str]:
    """What the blockers say that stand in the way of calls."""
    return (inputs.message for inputs in calls if isinstance(inputs, Blocker) and inputs.message is not None)


def call(node: GraphNode, state: Any, calls: Sequence[Call], world: Environment) -> list[Any]:
    """What the calls of a node give: results and awaitables. May run on another thread than the run's."""
    schema = node.schema
    run, pack = schema.node.run, schema.node.pack
    context = RunContext(node.ref, pack, world.job_id, world.cancel, world.services, world.emit, world.timer)
    token = current_call.set(NodeCall(world.job_id, node.id))
    values: list[Any] = []
    try:
        if len(calls) == 1 and not isinstance(calls[0], Blocker):
            return [run(state, calls[0], context)]
        for inputs in calls:
            world.cancel.raise_if_cancelled()
            values.append(blocked(schema) if isinstance(inputs, Blocker) else run(state, inputs, context))
    except BaseException:
        discard(values)
        raise
    finally:
        current_call.reset(token)
    return values


def discard(values: Iterable[Any]) -> None:
    """Close the coroutines among values that nobody will await."""
    for value in values:
        if inspect.iscoroutine(value):
            value.close()
