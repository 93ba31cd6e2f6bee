"""Answers in the forms that clients of ComfyUI expect."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

JSON_TYPE = "application/json; charset=utf-8"


def dumps(value: Any) -> str:
    """The value as JSON in ASCII; what JSON can't hold becomes null (numbers that are not finite) or its text."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=str)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), default=str)


def answer_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a body of JSON."""
    return Response(dumps(value), status, headers=headers, media_type=JSON_TYPE)


def empty(status: int = 200) -> Response:
    """An answer without a body."""
    return Response(status_code=status)


def text(message: str, status: int = 200) -> Response:
    """An answer of plain text."""
    return Response(message, status, media_type="text/plain")


def problem(message: str, status: int = 400) -> Response:
    """``{"error": message}``, for requests that can't be answered."""
    return answer_json({"error": message}, status)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
