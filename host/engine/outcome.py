"""How a run went, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from host.engine.caching.cache import NodeUi
from host.engine.events import NodeFailed


class RunState(StrEnum):
    """How a run ended; the values are those of ``JobState``."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Outcome:
    """The result of one run.

    Attributes:
        ui: what each node shows, by node id; from the cache, it names the node that showed it first.
        failure: what went wrong, if the run failed.
        executed: how many nodes ran.
        cached: how many nodes of the prompt had their results in the cache at the start.
        seconds: wall time.
    """

    state: RunState
    ui: Mapping[str, NodeUi] = field(default_factory=dict)
    failure: NodeFailed | None = None
    executed: int = 0
    cached: int = 0
    seconds: float = 0.0
