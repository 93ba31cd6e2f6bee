"""``/jobs``: the queue and the history as one list, as newer front ends ask for them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import bodies, job_views
from host.api.answers import answer_json, problem
from host.api.job_service import JobService
from host.api.requests import BadRequest, json_object, strings, whole_number
from host.engine.jobs.records import JobState

NOT_FOUND = "Job not found"
DEFAULT_LIMIT = 100


def job_router(jobs: JobService) -> APIRouter:
    """The routes about jobs."""
    router = APIRouter(tags=["jobs"])

    @router.get("/jobs")
    def list_of_jobs(status: str | None = None, limit: str | None = None, offset: str | None = None) -> Response:
        """Jobs, the newest first.

        Args:
            status: names with commas between them, of pending, in_progress, completed, failed and cancelled.
            limit: how many at most.
            offset: how many to leave out first.
        """
        size = whole_number(limit, "limit", DEFAULT_LIMIT, least=1) or DEFAULT_LIMIT
        start = whole_number(offset, "offset", 0) or 0
        found, total = jobs.in_states(_states(status), size, start)
        pages = {"offset": start, "limit": size, "total": total, "has_more": start + len(found) < total}
        return answer_json({"jobs": [job_views.summary(job) for job in found], "pagination": pages})

    @router.get("/jobs/{job_id}")
    def one_job(job_id: str) -> Response:
        """Everything known of a job."""
        job = jobs.find(job_id)
        return problem(NOT_FOUND, 404) if job is None else answer_json(job_views.details(job))

    @router.post("/jobs/cancel", openapi_extra=bodies.described(job_ids=bodies.TEXTS))
    async def cancel_jobs(request: Request) -> Response:
        """Cancel each of ``{"job_ids": […]}``; ``cancelled`` names those that were waiting or running."""
        ids = strings(await json_object(request), "job_ids")
        cancelled = await run_in_threadpool(lambda: [job_id for job_id in ids if jobs.cancel(job_id)])
        return answer_json({"cancelled": cancelled})

    @router.post("/jobs/{job_id}/cancel")
    def cancel_one_job(job_id: str) -> Response:
        """Cancel exactly this job, waiting or running; ``cancelled`` is false if it has ended already."""
        if jobs.find(job_id) is None:
            return problem(NOT_FOUND, 404)
        return answer_json({"cancelled": jobs.cancel(job_id)})

    @router.post("/jobs/{job_id}/requeue")
    def run_again(job_id: str) -> Response:
        """Queue a job again that was interrupted because the host ended."""
        return answer_json(job_views.summary(jobs.requeue(job_id)))

    return router


def _states(names: str | None) -> tuple[JobState, ...]:
    if not names:
        return tuple(JobState)
    states: list[JobState] = []
    for name in names.split(","):
        called = job_views.states_called(name.strip())
        if not called:
            raise BadRequest(f"There is no status {name.strip()!r:.50}.")
        states += called
    return tuple(states)
