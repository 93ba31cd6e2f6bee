"""Makes pages of templates, with headers that let nothing but our own style sheet and pictures in."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from registry_server.requests import parts_of, root_of
from registry_server.web import links
from registry_server.web.paging import root_path

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
A_MINUTE = "public, max-age=60"
METHODS = ["GET", "HEAD"]
ICON = "icon.svg"


class PageRoute(APIRoute):
    """A route for people; what goes wrong there is answered with a page."""


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page of a template; every text in it is escaped."""
    settings = parts_of(request).settings
    text = (
        environment()
        .get_template(template)
        .render(
            site=settings.name,
            site_root=root_of(request),
            root=root_path(request),
            path=request.url.path,
            asked=request.query_params.get("q", ""),
            style=stylesheet()[0],
            **values,
        )
    )
    return answer(request, text.encode(), "text/html; charset=utf-8", status)


def answer(request: Request, body: bytes, kind: str, status: int = 200, cache_control: str = A_MINUTE) -> Response:
    """A body with an ETag, or the word that the client has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = HEADERS | {"ETag": etag, "Cache-Control": cache_control if status < 400 else "no-store"}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if status == 200 and (etag in known or "*" in known):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, kind)


@cache
def environment() -> Environment:
    """The templates, each compiled once."""
    made = Environment(
        loader=PackageLoader("registry_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"day": _day, "number": _number, "web_address": links.web_address}
    made.globals |= {
        "pack_path": links.pack_path,
        "publisher_path": links.publisher_path,
        "node_path": links.node_path,
        "search_path": links.search_path,
    }
    return made


@cache
def stylesheet() -> tuple[str, bytes]:
    """The style sheet's name, which changes with its content, and its bytes."""
    body = files("registry_server.web").joinpath("style.css").read_bytes()
    return f"style.{hashlib.sha256(body).hexdigest()[:16]}.css", body


@cache
def icon() -> bytes:
    """What browsers show beside a page's title."""
    return files("registry_server.web").joinpath(ICON).read_bytes()


def _day(moment: str) -> str:
    return moment[:10]


def _number(value: int) -> str:
    return f"{value:,}"
