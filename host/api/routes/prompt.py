"""``/prompt``, ``/queue``, ``/interrupt`` and ``/free``: having prompts run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import bodies, job_views
from host.api.answers import answer_json, empty
from host.api.job_service import JobService
from host.api.requests import check_depth, json_object, strings
from host.engine.jobs.submission import read_submission

IDEMPOTENCY_HEADER = "Idempotency-Key"


def prompt_router(jobs: JobService, revised: Callable[[Any], Any] | None = None) -> APIRouter:
    """The routes about prompts that wait or run.

    Args:
        revised: what packs make of the body of a prompt before it is read.
    """
    router = APIRouter(tags=["prompts"])

    @router.get("/prompt")
    def how_many_remain() -> Response:
        """How many jobs are not done."""
        return answer_json({"exec_info": {"queue_remaining": jobs.remaining}})

    @router.post("/prompt", openapi_extra=bodies.described(("prompt",), **bodies.PROMPT))
    async def queue_a_prompt(request: Request) -> Response:
        """Queue a prompt in API format; answers with its id, or with every fault that was found."""
        said = read_submission(await request.body(), revised)
        check_depth([said.prompt, dict(said.extra_data)])
        accepted = await run_in_threadpool(jobs.submit, said, request.headers.get(IDEMPOTENCY_HEADER))
        answer = {
            "prompt_id": accepted.job.id,
            "number": accepted.job.number,
            "node_errors": accepted.node_errors,
        }
        return answer_json(answer)

    @router.get("/queue")
    def what_runs_and_waits() -> Response:
        """What runs and what waits, as tuples of five: number, id, prompt, extra data, outputs."""
        return answer_json(job_views.queue(jobs.listing()))

    @router.post("/queue", openapi_extra=bodies.described(**bodies.CLEARING))
    async def drop_waiting_jobs(request: Request) -> Response:
        """Cancel waiting jobs: ``{"clear": true}`` or ``{"delete": [ids]}``."""
        said = await json_object(request)
        ids = strings(said, "delete")
        if said.get("clear"):
            await run_in_threadpool(jobs.clear_waiting)
        if ids:
            await run_in_threadpool(jobs.delete_waiting, ids)
        return empty()

    @router.post("/interrupt", openapi_extra=bodies.described(prompt_id=bodies.TEXT))
    async def interrupt(request: Request) -> Response:
        """Cancel the running job; with ``{"prompt_id": …}`` only if it is that one."""
        said = await json_object(request)
        await run_in_threadpool(jobs.interrupt, said.get("prompt_id"))
        return empty()

    @router.post("/free", openapi_extra=bodies.described(unload_models=bodies.FLAG, free_memory=bodies.FLAG))
    async def free_memory(request: Request) -> Response:
        """Give memory back: ``{"unload_models": true}`` that of models, ``{"free_memory": true}`` results' as well."""
        said = await json_object(request)
        forget = bool(said.get("free_memory"))
        await run_in_threadpool(
            jobs.free, unload_models=forget or bool(said.get("unload_models")), forget_results=forget
        )
        return empty()

    return router
