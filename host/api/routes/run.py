"""``/run`` and ``/workflows/schema``: saved workflows as programs with arguments."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import bodies, job_views
from host.api.answers import answer_json
from host.api.job_service import JobService
from host.api.requests import BadRequest
from host.api.routes.prompt import IDEMPOTENCY_HEADER
from host.api.user_files import UserFiles
from host.api.users import Users
from host.api.workflow_requests import WorkflowRequest, read_content, read_request
from host.api.workflow_schema import override_schema
from host.engine.jobs.submission import submission_of
from host.overrides import apply_overrides

if TYPE_CHECKING:
    from host.app import Host
    from host.engine.jobs.submission import Submission

FOLDER = "workflows"


def run_router(host: Host, jobs: JobService, users: Users) -> APIRouter:
    """The routes that take workflows however they were saved."""
    router = APIRouter(tags=["prompts"])

    @router.post("/run", status_code=202, openapi_extra=bodies.described(("workflow",), **bodies.RUN))
    async def run_a_workflow(request: Request) -> Response:
        """Queue a workflow in API or UI format, or a picture that embeds one; answers with the job.

        The body is the workflow itself, a form with the file ``workflow``, or ``{"workflow": …, "overrides":
        {"3.seed": 42}, "client_id", "prompt_id", "number", "front", "webhook", "extra_data"}``; all but the first are
        optional. ``?set=3.seed=42`` changes inputs, too.
        """
        asked = await read_request(request)
        submission = await run_in_threadpool(_submission, host, asked)
        accepted = await run_in_threadpool(jobs.submit, submission, request.headers.get(IDEMPOTENCY_HEADER))
        shown = {**job_views.summary(accepted.job), "node_errors": accepted.node_errors}
        return answer_json(shown, 202, {"Location": f"/jobs/{accepted.job.id}"})

    @router.post("/workflows/schema", openapi_extra=bodies.described(("workflow",), **bodies.RUN))
    async def schema_of_a_workflow(request: Request) -> Response:
        """The JSON schema of the overrides that a workflow takes; the body is one, as for ``/run``."""
        asked = await read_request(request)
        return answer_json(await run_in_threadpool(_schema, host, asked))

    @router.get("/workflows/schema")
    def schema_of_a_saved_workflow(request: Request, workflow: str = "") -> Response:
        """The JSON schema of the overrides of a workflow that the user has saved.

        Args:
            workflow: its name below the user's workflows, such as ``portrait.json``.
        """
        content = _saved(users.files(request), workflow)
        return answer_json(_schema(host, WorkflowRequest(read_content(content))))

    return router


def _saved(files: UserFiles, name: str) -> bytes:
    if not name:
        raise BadRequest("Say which workflow is meant: ?workflow=name.json, one of the user's workflows.")
    path = files.path(str(PurePosixPath(FOLDER, name)))
    if not path.is_file():
        raise BadRequest(f"There is no workflow {name!r:.200} among the user's workflows.")
    return path.read_bytes()


def _prompt(host: Host, asked: WorkflowRequest) -> dict[str, Any]:
    return apply_overrides(host.to_prompt(asked.workflow), asked.overrides, host.catalogue.current())


def _submission(host: Host, asked: WorkflowRequest) -> Submission:
    info = asked.workflow.extra_pnginfo
    extra = asked.said.get("extra_data", {})
    if not isinstance(extra, dict):
        raise BadRequest("extra_data must be a JSON object.")
    if info and "extra_pnginfo" not in extra:
        extra = {**extra, "extra_pnginfo": dict(info)}
    return submission_of({**asked.said, "prompt": _prompt(host, asked), "extra_data": extra})


def _schema(host: Host, asked: WorkflowRequest) -> dict[str, Any]:
    return override_schema(_prompt(host, asked), host.catalogue.current())
