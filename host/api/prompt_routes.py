"""``/prompt``, ``/queue``, ``/interrupt``, ``/free`` and ``/history``: what every client uses."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import job_views
from host.api.answers import answer_json, empty
from host.api.job_service import JobService
from host.api.requests import check_depth, json_object, strings, whole_number
from host.engine.submission import read_submission

IDEMPOTENCY_HEADER = "Idempotency-Key"


def prompt_router(jobs: JobService) -> APIRouter:
    """The routes about prompts and their history."""
    router = APIRouter(tags=["prompts"])

    @router.get("/prompt")
    def how_many_remain() -> Response:
        """How many jobs are not done."""
        return answer_json({"exec_info": {"queue_remaining": jobs.remaining}})

    @router.post("/prompt")
    async def queue_a_prompt(request: Request) -> Response:
        """Queue a prompt in API format; answers with its id, or with every fault that was found."""
        said = read_submission(await request.body())
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

    @router.post("/queue")
    async def drop_waiting_jobs(request: Request) -> Response:
        """Cancel waiting jobs: ``{"clear": true}`` or ``{"delete": [ids]}``."""
        said = await json_object(request)
        ids = strings(said, "delete")
        if said.get("clear"):
            await run_in_threadpool(jobs.clear_waiting)
        if ids:
            await run_in_threadpool(jobs.delete_waiting, ids)
        return empty()

    @router.post("/interrupt")
    async def interrupt(request: Request) -> Response:
        """Cancel the running job; with ``{"prompt_id": …}`` only if it is that one."""
        said = await json_object(request)
        await run_in_threadpool(jobs.interrupt, said.get("prompt_id"))
        return empty()

    @router.post("/free")
    async def free_memory(request: Request) -> Response:
        """Give memory back: ``{"unload_models": true, "free_memory": true}``."""
        said = await json_object(request)
        forget, unload = bool(said.get("free_memory")), bool(said.get("unload_models"))
        await run_in_threadpool(jobs.free, unload_models=unload, forget_results=forget)
        return empty()

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

    @router.post("/history")
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
