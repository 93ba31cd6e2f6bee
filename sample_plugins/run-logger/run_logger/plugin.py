"""The pack's hooks: one row for each node that ran or failed, one for each job."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from run_logger.table import Table
from sdk import NodeType, hookimpl

FILE_VARIABLE = "RUN_LOGGER_CSV"
_LONGEST_ERROR = 500

logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class RunLogger:
    """Writes timings into a CSV file. Hooks may come from several threads; one lock guards the file.

    Args:
        path: of the file; made with its folder when the first row is written.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = _now) -> None:
        self._table, self._clock = Table(path), clock
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], datetime] = {}

    @hookimpl
    def before_node(self, job: Any, node_id: str) -> None:
        with self._lock:
            self._running[job.id, node_id] = self._clock()

    @hookimpl
    def after_node(self, job: Any, node_id: str, node: NodeType, seconds: float) -> None:
        self._ended(job, node_id)
        self._write(job, "ran", seconds, node=node_id, type=node.true_id, version=node.pack_version)

    @hookimpl
    def on_node_error(self, job: Any, node_id: str, node: NodeType, error: BaseException) -> None:
        seconds = self._ended(job, node_id)
        said = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        self._write(job, "failed", seconds, node=node_id, type=node.true_id, version=node.pack_version, error=said)

    @hookimpl
    def after_job(self, job: Any, seconds: float, outcome: Any) -> None:
        with self._lock:
            for key in [key for key in self._running if key[0] == job.id]:
                del self._running[key]
        self._write(job, str(outcome.state), seconds)

    def _ended(self, job: Any, node_id: str) -> float:
        """Seconds since the node began."""
        with self._lock:
            started = self._running.pop((job.id, node_id), None)
        return 0.0 if started is None else (self._clock() - started).total_seconds()

    def _write(self, job: Any, state: str, seconds: float, **facts: object) -> None:
        row = {"time": self._clock().isoformat(timespec="milliseconds"), "job": job.id, "state": state}
        try:
            with self._lock:
                self._table.add({**row, "seconds": f"{seconds:.4f}", **facts})
        except OSError as error:  # timings are not worth a failed picture
            logger.warning("no row was written to %s: %s", self._table.path, error)


class Inert:
    """Takes part in nothing: no file is set."""


def from_environment(environment: Mapping[str, str]) -> RunLogger | Inert:
    """The plugin that the environment asks for."""
    path = environment.get(FILE_VARIABLE, "").strip()
    return RunLogger(Path(path).expanduser().absolute()) if path else Inert()


plugin = from_environment(os.environ)
