"""What packs may do with the server: send messages, answer requests by ASGI, look at the queue, revise prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from host.api import job_views
from host.api.frames import Frame
from host.api.job_service import JobService
from host.api.sockets import Sockets
from host.engine.messages import Message
from host.plugins import shielded
from sdk.web import WebApplication

Revise = Callable[[dict[str, Any]], dict[str, Any]]


class PackServer:
    """``sdk.WebServer`` on the server's own parts."""

    def __init__(self, jobs: JobService, sockets: Sockets) -> None:
        self._jobs, self._sockets = jobs, sockets
        self.applications: list[WebApplication] = []
        self._revisers: list[Revise] = []

    def send(self, event: str, data: Any, client_id: str | None = None) -> None:
        self._sockets.send(Message(event, data, client_id))

    def send_frame(self, frame: bytes, client_id: str | None = None) -> None:
        self._sockets.send(Frame(client_id, frame, frame))

    def client_of(self, prompt_id: str) -> str | None:
        job = self._jobs.find(prompt_id)
        return None if job is None else job.client_id

    def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        shown = job_views.queue(self._jobs.listing())
        return list(shown["queue_running"]), list(shown["queue_pending"])

    def history(self, prompt_id: str | None = None, max_items: int | None = None) -> dict[str, Any]:
        if prompt_id is None:
            return job_views.history(self._jobs.history(max_items))
        job = self._jobs.find(prompt_id)
        return job_views.history([job] if job and job.state.ended and job.started is not None else [])

    def cancel(self, prompt_id: str) -> None:
        self._jobs.cancel(prompt_id)

    def add(self, application: WebApplication) -> None:
        self.applications.append(application)

    def revise(self, revise: Revise) -> None:
        self._revisers.append(revise)

    def revised(self, said: Any) -> Any:
        """The body of a prompt as packs want it; as it came, where it is no object."""
        for revise in self._revisers if isinstance(said, dict) else ():
            with shielded(f"a pack failed to revise a prompt ({revise!r})"):
                said = revise(said)
        return said

    def tell_packs(self, manager: pluggy.PluginManager) -> None:
        """Call ``before_serving`` of every pack; one that raises is named in the log and stops nobody else."""
        for implementation in manager.hook.before_serving.get_hookimpls():
            wanted = {"server": self} if "server" in implementation.argnames else {}
            with shielded(f"pack plugin {implementation.plugin_name} failed in before_serving"):
                implementation.function(**wanted)

    async def start(self) -> None:
        """Start the applications, in the order they were added; one that can't is named in the log and left out."""
        started = []
        for application in self.applications:
            with shielded(f"a pack's application can't start ({application!r})"):
                await application.start()
                started.append(application)
        self.applications = started

    async def stop(self) -> None:
        """Stop the applications, the last one first."""
        for application in reversed(self.applications):
            await application.stop()


class ApplicationRoute(BaseRoute):
    """Gives requests to the application that serves them; matches nothing else."""

    def __init__(self, server: PackServer) -> None:
        self._server = server

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and self._serving(scope) is not None:
            return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self._serving(scope)
        assert application is not None, "it matched before"
        await application(scope, receive, send)

    def _serving(self, scope: Scope) -> WebApplication | None:
        asked = scope["method"], scope["path"]
        return next((found for found in self._server.applications if found.serves(*asked)), None)
