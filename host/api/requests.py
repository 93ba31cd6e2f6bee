"""Reads what clients send, whatever content type they say it has."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

MAX_DEPTH = 100
"""Levels of lists and objects; no workflow needs more."""


class BadRequest(Exception):
    """A request that can't be read; the server answers it with 400 and this sentence."""


async def json_body(request: Request) -> Any:
    """The body as JSON; None if it is empty.

    Raises:
        BadRequest: it is no JSON, or nested more than ``MAX_DEPTH`` levels deep.
    """
    return parse_json(await request.body())


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty one if there is no body.

    Raises:
        BadRequest: it is something else.
    """
    said = await json_body(request)
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise BadRequest(f"The body must be a JSON object, not a {type(said).__name__}.")
    return said


def parse_json(content: bytes) -> Any:
    """The value of a JSON text; None if it is empty.

    Raises:
        BadRequest: as in ``json_body``.
    """
    if not content.strip():
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}") from error
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse what is nested more than ``MAX_DEPTH`` levels deep.

    Raises:
        BadRequest: it is.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise BadRequest(f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def whole_number(text: str | None, name: str, default: int | None = None, least: int = 0) -> int | None:
    """The number that a query parameter says; ``default`` if it is missing.

    Raises:
        BadRequest: it is no whole number from ``least`` on.
    """
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError as error:
        raise BadRequest(f"{name} must be a whole number, not {text!r:.50}.") from error
    if not least <= number < 2**63:
        raise BadRequest(f"{name} must be a number from {least} on, not {text:.50}.")
    return number


def strings(said: dict[str, Any], key: str) -> list[str]:
    """The list of texts under a key; empty if it is missing.

    Raises:
        BadRequest: it is something else.
    """
    value = said.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequest(f"{key} must be a list of texts.")
    return value


def says_yes(text: object) -> bool:
    """Whether a form field or query parameter switches something on."""
    return text in ("true", "1", True)
