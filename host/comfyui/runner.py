"""Makes the ``run`` function of a node from the pack's own function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from host.comfyui.handles import to_packs
from host.comfyui.results import finish, read_result
from host.comfyui.running import NodeState
from sdk.context import NodeContext
from sdk.nodes import NodeResult, Output, RunFunction

Bind = Callable[[NodeState, dict[str, Any]], tuple[Callable[..., Any], dict[str, Any]]]
"""Gives the function to call, and the keyword arguments, for a node's state and inputs."""


def make_run(bind: Bind, outputs: tuple[Output, ...], where: str, *, is_async: bool) -> RunFunction:
    """A run function that is a coroutine function where the pack's is, so that the engine can overlap calls.

    Args:
        where: pack and node, for messages.
    """

    async def run_async(state: NodeState, inputs: dict[str, Any], context: NodeContext) -> NodeResult:
        with state.start_call(context).entered():
            function, values = bind(state, to_packs(inputs))
            return read_result(await function(**values), outputs, where)

    def run(state: NodeState, inputs: dict[str, Any], context: NodeContext) -> NodeResult:
        with state.start_call(context).entered(), _without_gradients():
            function, values = bind(state, to_packs(inputs))
            return read_result(finish(function(**values)), outputs, where)

    return run_async if is_async else run


def _without_gradients() -> AbstractContextManager[Any]:
    """A block whose tensors keep no gradients, as packs expect; nothing if nobody has imported torch yet."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.no_grad()
