"""``/history``: jobs that have ended, as most clients look for their results."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import bodies, job_views
from host.api.answers import answer_json, empty
from host.api.job_service import JobService
from host.api.requests import json_object, strings, whole_number


def history_router(jobs: JobService) -> APIRouter:
    """The routes about ended jobs."""
    router = APIRouter(tags=["prompts"])

    @router.get("/history")
    def ended_jobs(max_items: str | None = None, offset: str | None = None) -> Response:
        """Ended jobs by id: the last ``max_items``, or the first ones from ``offset`` on."""
        wanted, start = whole_number(max_items, "max_items"), whole_number(offset, "offset", -1, least=-1)
        return answer_json(job_views.history(jobs.history(wanted, None if start == -1 else start)))

    @router.get("/history/{prompt_id}")
    def one_ended_job(prompt_id: str) -> Response:
        """One ended job; an empty object if there is none of that id."""
        job = jobs.find(prompt_id)
        return answer_json(job_views.history([job] if job and job.state.ended and job.started is not None else []))

    @router.post("/history", openapi_extra=bodies.described(**bodies.CLEARING))
    async def forget_ended_jobs(request: Request) -> Response:
        """Forget ended jobs: ``{"clear": true}`` or ``{"delete": [ids]}``."""
        said = await json_object(request)
        ids = strings(said, "delete")
        if said.get("clear"):
            await run_in_threadpool(jobs.delete_history)
        if ids:
            await run_in_threadpool(jobs.delete_history, ids)
        return empty()

    return router
