"""What goes wrong, as a page for people and as JSON for programs."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from registry_server.error_answers import ANSWERS, Answer
from registry_server.web.pages import PageRoute, page


def _for_people(answer: Answer) -> Answer:
    async def choose(request: Request, error: Any) -> Response:
        made = await answer(request, error)
        if not _wants_page(request):
            return made
        told = json.loads(bytes(made.body))
        title = HTTPStatus(made.status_code).phrase
        return await run_in_threadpool(
            page, request, "error.html", made.status_code, title=title, message=told["message"]
        )

    return choose


def _wants_page(request: Request) -> bool:
    """Whether a page failed, or a browser asked for what is not there at all."""
    route = request.scope.get("route")
    return isinstance(route, PageRoute) or (route is None and "text/html" in request.headers.get("accept", ""))


PAGE_ANSWERS: dict[Any, Answer] = {kind: _for_people(answer) for kind, answer in ANSWERS.items()}
"""The registry's answers to errors, where a page is asked for as a page."""
