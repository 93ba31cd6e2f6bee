"""The pack's hooks: they turn what the host tells into lines of reports."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from run_report.journal import Journal, newest, prune
from run_report.tally import Tally
from sdk import Command, ModelHandle, NodeType, Route, WebAnswer, WebRequest, hookimpl

FOLDER_VARIABLE = "RUN_REPORT_DIR"
KEEP_VARIABLE = "RUN_REPORT_KEEP"
KEPT_REPORTS = 500
OPEN_LIMIT = 64
_MESSAGE_LIMIT = 2000


@dataclass
class _Report:
    journal: Journal
    thread: int
    tally: Tally = field(default_factory=Tally)


class RunReport:
    """Writes a report of each job into a folder. Hooks may come from several threads; one lock guards everything.

    Args:
        folder: where the reports go.
        keep: how many there may be; older ones are deleted.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path, keep: int = KEPT_REPORTS, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._keep, self._clock = folder, keep, clock
        self._lock = threading.Lock()
        self._open: dict[str, _Report] = {}

    @hookimpl
    def before_job(self, job: Any) -> None:
        with self._lock:
            prune(self._folder, self._keep - 1)
            # A host that fails outside of a job's nodes never says that the job ended.
            for stale in [job.id, *list(self._open)[: 1 - OPEN_LIMIT]]:
                self._close(stale, "job_abandoned")
            journal = Journal(self._folder, job.id, self._clock())
            self._open[job.id] = _Report(journal, threading.get_ident())
            journal.write("job_started", self._clock(), job=job.id, nodes=len(job.prompt))

    @hookimpl
    def after_job(self, job: Any, seconds: float) -> None:
        with self._lock:
            report = self._open.get(job.id)
            if report is not None:
                summary = report.tally.summary(job.prompt, job.outputs)
                self._close(job.id, "job_ended", seconds=round(seconds, 4), **summary)

    @hookimpl
    def before_node(self, job: Any, node_id: str) -> None:
        with self._lock:
            if report := self._open.get(job.id):
                report.tally.started.add(node_id)

    @hookimpl
    def after_node(self, job: Any, node_id: str, node: NodeType, seconds: float) -> None:
        with self._lock:
            if report := self._open.get(job.id):
                report.tally.started.discard(node_id)
                report.tally.ran.add(node_id)
                report.journal.write("node_ran", self._clock(), **_named(node_id, node), seconds=round(seconds, 4))

    @hookimpl
    def on_node_error(self, job: Any, node_id: str, node: NodeType, error: BaseException) -> None:
        # Unlike str(error), this copes with errors whose own __str__ raises.
        said = "".join(traceback.format_exception_only(error)).strip()[:_MESSAGE_LIMIT]
        with self._lock:
            if report := self._open.get(job.id):
                report.tally.started.discard(node_id)
                report.tally.failed.add(node_id)
                report.journal.write("node_failed", self._clock(), **_named(node_id, node), error=said)

    @hookimpl
    def before_model_load(self, handle: ModelHandle, bytes_needed: int) -> None:
        with self._lock:
            if report := self._current():
                report.tally.models_loaded += 1
                report.tally.bytes_loaded += bytes_needed
                report.journal.write("model_loading", self._clock(), **_part(handle), bytes=bytes_needed)

    @hookimpl
    def after_model_evicted(self, handle: ModelHandle, bytes_freed: int) -> None:
        with self._lock:
            if report := self._current():
                report.tally.bytes_evicted += bytes_freed
                report.journal.write("model_evicted", self._clock(), **_part(handle), bytes=bytes_freed)

    @hookimpl
    def register_routes(self) -> list[Route]:
        return [Route(path="/run-report", handler=self.answer)]

    @hookimpl
    def register_commands(self) -> list[Command]:
        return [Command(name="run-report", function=self.show)]

    def answer(self, request: WebRequest) -> WebAnswer:
        """The newest report, one JSON object per line; 404 while there is none."""
        path = newest(self._folder)
        if path is None:
            return WebAnswer(status=404)
        return WebAnswer(body=path.read_bytes(), media_type="application/x-ndjson")

    def show(self) -> None:
        """Print the newest report."""
        path = newest(self._folder)
        said = f"There is no report in {self._folder} yet." if path is None else path.read_text(encoding="utf-8")
        print(said, end="")

    def _current(self) -> _Report | None:
        """The job that a model event belongs to: the one on this thread, or else the only one there is.

        The model hooks don't say it, and a node may work on a thread of its own.
        """
        here = [report for report in self._open.values() if report.thread == threading.get_ident()]
        candidates = here or list(self._open.values())
        return candidates[-1] if here or len(candidates) == 1 else None

    def _close(self, job_id: str, event: str, **facts: Any) -> None:
        report = self._open.pop(job_id, None)
        if report is not None:
            report.journal.close(event, self._clock(), **facts)


class Inert:
    """Takes part in nothing, and so costs nothing: no folder for reports is set."""


def from_environment(environment: Mapping[str, str]) -> RunReport | Inert:
    """The plugin that the environment asks for; ``Inert`` without a folder.

    Raises:
        ValueError: the number of reports to keep is no whole number above zero.
    """
    folder = environment.get(FOLDER_VARIABLE, "").strip()
    if not folder:
        return Inert()
    keep = environment.get(KEEP_VARIABLE, "").strip() or str(KEPT_REPORTS)
    if not keep.isdecimal() or int(keep) < 1:
        raise ValueError(f"{KEEP_VARIABLE}={keep} is no whole number above zero")
    return RunReport(Path(folder).expanduser(), int(keep))


def _named(node_id: str, node: NodeType) -> dict[str, str]:
    return {"node": node_id, "type": node.true_id, "version": node.pack_version}


def _part(handle: ModelHandle) -> dict[str, Any]:
    return {"part": handle.part, "family": handle.identity.family, "key": handle.key, "patches": len(handle.patches)}


plugin = from_environment(os.environ)
