"""Turns what goes wrong into answers: one function for each kind of error."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from host.api.access.guards import TooMuch
from host.api.answers import answer_json, empty, problem, text
from host.api.pictures import NotAPicture
from host.api.requests import BadRequest
from host.api.uploads import BadUpload
from host.api.user_files import NotYours
from host.api.users import BadUser, UnknownUser
from host.api.webhooks.targets import BadWebhook
from host.engine.jobs.errors import (
    DuplicateJob,
    IdempotencyConflict,
    IllegalTransition,
    InvalidJob,
    JobError,
    NotJson,
    StoreFull,
    UnknownJob,
)
from host.engine.jobs.submission import BadSubmission
from host.engine.ui_format.errors import UiFormatError
from host.engine.validation.faults import prompt_error
from host.errors import OverrideError, PromptRejected
from host.folders import UnsafeName
from host.rejections import WorkflowRejected
from sdk.errors import NodeError

logger = logging.getLogger(__name__)

Answer = Callable[[Request, Any], Awaitable[Response]]

_JOB_STATUS: dict[type[JobError], int] = {
    UnknownJob: 404,
    DuplicateJob: 409,
    IdempotencyConflict: 409,
    IllegalTransition: 409,
    InvalidJob: 400,
    NotJson: 400,
    StoreFull: 507,
}


async def _bad_submission(request: Request, error: BadSubmission) -> Response:
    return answer_json(error.answer, 400)


async def _rejected(request: Request, error: PromptRejected) -> Response:
    """As ComfyUI says it; in this server's own routes, also in words."""
    said: dict[str, Any] = {"error": error.error, "node_errors": error.node_errors}
    if isinstance(error, WorkflowRejected) and not request.url.path.endswith("/prompt"):
        said["explanation"] = list(error.lines)
    return answer_json(said, 400)


async def _job_error(request: Request, error: JobError) -> Response:
    """In the form of a refused prompt, which every client of ``/prompt`` can show."""
    status = next((status for kind, status in _JOB_STATUS.items() if isinstance(error, kind)), 503)
    return answer_json({"error": prompt_error("job_refused", str(error), ""), "node_errors": {}}, status)


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return Response(status_code=404, media_type="application/octet-stream")
    answer = text(f"{error.status_code}: {error.detail}", error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _bad_file(request: Request, error: BadUpload | UnsafeName) -> Response:
    """Without a body, as clients know it from ComfyUI; the log says why."""
    logger.info("%s refused: %s", request.url.path, error)
    return empty(400)


async def _outside(request: Request, error: NotYours) -> Response:
    return empty(403)


async def _said(request: Request, error: Exception) -> Response:
    return problem(str(error))


async def _unknown_user(request: Request, error: UnknownUser) -> Response:
    return problem(str(error), 401)


async def _too_much(request: Request, error: TooMuch) -> Response:
    return Response(status_code=413)


ANSWERS: dict[type[Exception], Answer] = {
    BadRequest: _said,
    BadUser: _said,
    BadWebhook: _said,
    UiFormatError: _said,
    OverrideError: _said,
    NodeError: _said,
    UnknownUser: _unknown_user,
    BadSubmission: _bad_submission,
    PromptRejected: _rejected,
    JobError: _job_error,
    NotAPicture: _said,
    BadUpload: _bad_file,
    UnsafeName: _bad_file,
    NotYours: _outside,
    HTTPException: _http_error,
    TooMuch: _too_much,
}
