"""The runner of a host that works by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdk.hooks import hookimpl

if TYPE_CHECKING:
    from host.engine.jobs.queue import Execute


@hookimpl
def choose_runner(spec: str, execute: Execute) -> Execute | None:
    """``local`` runs jobs in this process."""
    return execute if spec == "local" else None
