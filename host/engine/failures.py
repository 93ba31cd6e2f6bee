"""Makes the events of a run that ends early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

from host.engine.errors import EngineError, RunError
from host.engine.events import JobInterrupted, NodeFailed
from host.engine.graph import GraphNode, LivePrompt
from host.engine.validation.faults import frames, type_name
from sdk.errors import SdkError


class Prefix(Sequence[str]):
    """The ids a growing list held when this was made, without a copy."""

    def __init__(self, growing: list[str]) -> None:
        self._growing, self._length = growing, len(growing)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return self._growing[: self._length][index]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._growing[index if index >= 0 else self._length + index]


def failure(
    job_id: str,
    node: GraphNode,
    error: BaseException,
    inputs: Mapping[str, Sequence[Any]] | None,
    live: LivePrompt,
    executed: list[str],
    at: int,
) -> NodeFailed:
    """The event for a node that raised; names the class of the node of the prompt that it stems from."""
    own = error.reported_as if isinstance(error, RunError) else ""
    return NodeFailed(
        job_id,
        node.ref,
        live.get_node(node.ref.real_id)["class_type"],
        Prefix(executed),
        str(error),
        own or type_name(type(error)),
        tuple(frames(error)),
        inputs,
        tuple(live.get_original_prompt()),
        at,
        isinstance(error, SdkError | EngineError),
    )


def interruption(job_id: str, node: GraphNode, executed: list[str], at: int) -> JobInterrupted:
    """The event for a run that was cancelled while this node ran or was about to."""
    return JobInterrupted(job_id, node.ref, node.class_type, Prefix(executed), at)
