"""Turns what goes wrong into answers: one place for all routes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from registry_server.errors import (
    BadRequest,
    Conflict,
    Damaged,
    Detail,
    Forbidden,
    NotAuthenticated,
    NotFound,
    RegistryError,
    TooLarge,
    TooOften,
    Unavailable,
)

logger = logging.getLogger(__name__)

Answer = Callable[[Request, Any], Coroutine[Any, Any, Response]]

STATUS: dict[type[RegistryError], int] = {
    BadRequest: 400,
    NotAuthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    TooOften: 429,
    Damaged: 502,
    Unavailable: 503,
}
_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


def error_body(code: str, message: str, details: Sequence[Detail] = ()) -> dict[str, Any]:
    """The one form of all errors; clients of the Comfy Registry read ``message``."""
    return {"error": code, "message": message, "details": list(details)}


async def _registry_error(request: Request, error: RegistryError) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooOften) else {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.as_json(), status, headers)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse(error_body("BAD_REQUEST", f"The request can't be used: {'; '.join(faults)}", faults), 400)


async def _http_error(request: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, "ERROR")
    message = f"There is nothing at {request.url.path}." if error.status_code == 404 else str(error.detail)
    return JSONResponse(error_body(code, message), error.status_code, error.headers)


async def _data_error(request: Request, error: DataError) -> Response:
    logger.warning("%s: the database refused a value", request.url.path)
    return JSONResponse(error_body("BAD_REQUEST", "A value of the request can't be stored."), 400)


ANSWERS: dict[Any, Answer] = {
    RegistryError: _registry_error,
    RequestValidationError: _invalid,
    HTTPException: _http_error,
    DataError: _data_error,
}
