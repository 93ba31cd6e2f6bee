"""Jobs as clients read them: in ``/queue``, ``/history`` and ``/jobs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from host.engine.jobs.records import Job, JobOutcome, JobState, QueueListing

STATUS_NAMES: Mapping[JobState, str] = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "in_progress",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.INTERRUPTED: "failed",
}
"""What ``/jobs`` calls the states."""

_FILE_KINDS = ("images", "video", "gifs", "audio", "3d")


def states_called(name: str) -> tuple[JobState, ...]:
    """The states of that name in ``/jobs``; none for an unknown name."""
    return tuple(state for state, called in STATUS_NAMES.items() if called == name)


def queue(listing: QueueListing) -> dict[str, Any]:
    """The answer of ``/queue``: tuples of five."""
    return {"queue_running": listing.running, "queue_pending": listing.pending}


def history(jobs: Iterable[Job]) -> dict[str, Any]:
    """The answer of ``/history``: entries by job id, the first to end first."""
    return {job.id: _history_entry(job) for job in jobs}


def _history_entry(job: Job) -> dict[str, Any]:
    outcome = job.outcome or JobOutcome(state=JobState.CANCELLED)
    succeeded = job.state is JobState.SUCCEEDED
    return {
        "prompt": job.queue_item(),
        "outputs": outcome.results,
        "status": {
            "status_str": "success" if succeeded else "error",
            "completed": succeeded,
            "messages": outcome.messages,
        },
        "meta": outcome.meta,
    }


def summary(job: Job) -> dict[str, Any]:
    """One entry in the list of ``/jobs``."""
    results = job.outcome.results if job.outcome else {}
    return {
        "id": job.id,
        "status": STATUS_NAMES[job.state],
        "create_time": _milliseconds(job.created),
        "priority": job.number,
        "execution_start_time": _milliseconds(job.started),
        "execution_end_time": _milliseconds(job.ended) if job.started is not None else None,
        "execution_error": _error(job),
        "preview_output": _preview(results),
        "outputs_count": sum(len(items) for shown in results.values() for items in _lists(shown)),
        "workflow_id": _workflow(job).get("id"),
    }


def details(job: Job) -> dict[str, Any]:
    """The answer of ``/jobs/{id}``."""
    prompt = job.queue_item()
    messages = job.outcome.messages if job.outcome else ()
    return summary(job) | {
        "update_time": _milliseconds(job.ended or job.started or job.created),
        "outputs": job.outcome.results if job.outcome else {},
        "execution_status": {
            "status_str": "success" if job.state is JobState.SUCCEEDED else "error",
            "completed": job.state is JobState.SUCCEEDED,
            "messages": messages,
        },
        "execution_meta": job.outcome.meta if job.outcome else {},
        "workflow": {"prompt": prompt[2], "extra_data": prompt[3]},
        "error": job.outcome.error if job.outcome else None,
        "attempts": job.attempts,
    }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def _workflow(job: Job) -> Mapping[str, Any]:
    info = job.extra_data.get("extra_pnginfo")
    workflow = info.get("workflow") if isinstance(info, Mapping) else None
    return workflow if isinstance(workflow, Mapping) else {}


def _error(job: Job) -> dict[str, Any] | None:
    """What went wrong, in the form of ``execution_error``."""
    if job.state not in (JobState.FAILED, JobState.INTERRUPTED) or job.outcome is None:
        return None
    said = next((data for name, data in reversed(job.outcome.messages) if name == "execution_error"), None)
    if said is not None:
        return dict(said)
    return {
        "prompt_id": job.id,
        "node_id": "",
        "node_type": "",
        "exception_message": job.outcome.error or "",
        "exception_type": "",
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }


def _preview(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last file that was shown; a saved one rather than a passing one."""
    found = [
        {**item, "nodeId": node_id, "mediaType": kind}
        for node_id, shown in results.items()
        if isinstance(shown, Mapping)
        for kind in _FILE_KINDS
        for item in (shown.get(kind) or ())
        if isinstance(item, Mapping) and "filename" in item
    ]
    kept = [item for item in found if item.get("type") == "output"]
    listed = kept or found
    return listed[-1] if listed else None


def _lists(shown: Any) -> list[list[Any]]:
    return [items for items in shown.values() if isinstance(items, list)] if isinstance(shown, Mapping) else []
