"""A job as observers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FakeJob:
    """What hooks may rely on of a job.

    Attributes:
        prompt: the graph in API format.
        outputs: ids of the output nodes to run.
    """

    id: str = "job"
    prompt: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    extra_data: Mapping[str, Any] = field(default_factory=dict)
