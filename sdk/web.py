"""What packs add to the web API: routes, and folders that the server gives out.

A handler gets the request as an argument and returns its answer: a ``WebAnswer``, or any value that JSON can hold.

    async def languages(request: WebRequest) -> object:
        \"\"\"The languages this pack knows.\"\"\"
        return ["en", "de"]

    Route(path="/my-pack/languages", handler=languages)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from sdk.errors import SdkError

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class BadExtension(SdkError):
    """A route, folder or command that a pack declares can't be; ``problem`` says why."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what, self.problem = what, problem

    def __str__(self) -> str:
        return f"{self.what}: {self.problem}."


class Scope(StrEnum):
    """What an API key must allow for a request."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"


class WebRequest(Protocol):
    """A request as a pack's handler sees it. Header names are matched whatever their case."""

    @property
    def method(self) -> str: ...
    @property
    def path_params(self) -> Mapping[str, Any]: ...
    @property
    def query_params(self) -> Mapping[str, str]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...

    async def body(self) -> bytes:
        """The whole body; the server has checked its size."""

    async def json(self) -> Any:
        """The body as JSON; a body that is none is answered with 400."""


@dataclass(frozen=True, kw_only=True)
class WebAnswer:
    """An answer that is more than a JSON value.

    Attributes:
        media_type: of the body, such as ``image/png``.
    """

    body: bytes = b""
    status: int = 200
    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of a pack. It exists under its path and below ``/api``.

    Attributes:
        path: begins with a slash; ``{name}`` is one segment, ``{name:path}`` the rest.
        handler: ``handler(request)``, a plain or an async function; a plain one runs in a thread. Its docstring
            describes the route in the server's own documentation.
        methods: upper case.
        scope: what an API key must allow; by default READ for GET and RUN for everything else.

    Raises:
        BadExtension: the path does not begin with a slash, or a method is none.
    """

    path: str
    handler: Callable[[WebRequest], Any]
    methods: tuple[str, ...] = ("GET",)
    scope: Scope | None = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or self.path.startswith("/api/"):
            raise BadExtension(f"the route {self.path!r}", "a path begins with a slash and without /api")
        if not self.methods or not METHODS.issuperset(self.methods):
            raise BadExtension(f"the route {self.path!r}", f"methods are some of {', '.join(sorted(METHODS))}")

    @property
    def name(self) -> str:
        """What makes two routes the same."""
        return f"{' '.join(sorted(self.methods))} {self.path}"


class WebApplication(Protocol):
    """An application of a pack that answers requests itself, by ASGI; for what can't be written as ``Route``.

    The server's own routes, and those of ``register_routes``, go first.
    """

    def serves(self, method: str, path: str) -> bool:
        """Whether it answers this request; asked for each that no route answers, so it must be quick."""

    async def start(self) -> None:
        """Called once on the server's event loop, before the first request."""

    async def stop(self) -> None:
        """Called once on the server's event loop, after the last request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP request, by ASGI."""


class WebServer(Protocol):
    """The server a pack runs in. But for ``add``, everything may be called from any thread, at any time."""

    def send(self, event: str, data: Any, client_id: str | None = None) -> None:
        """Send a JSON message by websocket to a client, or to all."""

    def send_frame(self, frame: bytes, client_id: str | None = None) -> None:
        """Send a binary message by websocket to a client, or to all."""

    def client_of(self, prompt_id: str) -> str | None:
        """The client that queued a prompt, if it said who it is."""

    def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """What runs and what waits, as in the answer of ``/queue``."""

    def history(self, prompt_id: str | None = None, max_items: int | None = None) -> dict[str, Any]:
        """Ended prompts, as in the answer of ``/history``."""

    def cancel(self, prompt_id: str) -> None:
        """Cancel a waiting or running prompt."""

    def add(self, application: WebApplication) -> None:
        """Let an application answer requests. Only from within ``before_serving``."""

    def revise(self, revise: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Have every body of ``POST /prompt`` changed before it is read; one that raises changes nothing."""


class WebContent(StrEnum):
    """What a pack's folder holds, and so how the server uses it.

    * SCRIPTS: served below ``/extensions/<name>/``; the editor loads each ``.js`` in it.
    * LOCALES: ``<language>/*.json``, merged into the answer of ``/i18n``.
    * WORKFLOWS: ``*.json``, listed by ``/workflow_templates``; pictures of the same name are their thumbnails.
    * SUBGRAPHS: ``*.json``, listed by ``/global_subgraphs``.
    """

    SCRIPTS = "scripts"
    LOCALES = "locales"
    WORKFLOWS = "workflows"
    SUBGRAPHS = "subgraphs"


@dataclass(frozen=True, kw_only=True)
class WebDirectory:
    """A folder of a pack for the graph editor.

    Attributes:
        folder: absolute; files outside it, also by links, are not given out.
        content: what it holds.
        name: of the pack in addresses; by default the pack's own.

    Raises:
        BadExtension: the folder is not absolute, or the name is no single path segment.
    """

    folder: Path
    content: WebContent = WebContent.SCRIPTS
    name: str = ""

    def __post_init__(self) -> None:
        if not self.folder.is_absolute():
            raise BadExtension(f"the web directory {self.folder}", "its path must be absolute")
        if "/" in self.name or self.name in (".", ".."):
            raise BadExtension(f"the web directory {self.folder}", f"{self.name!r} is no single path segment")
