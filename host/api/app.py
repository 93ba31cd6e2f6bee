"""Puts the routes together around one host."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from host.api import front_end
from host.api.access.api_keys import read_keys
from host.api.access.guards import Guards
from host.api.access.key_guard import KeyGuard
from host.api.api_page import api_page
from host.api.error_answers import ANSWERS
from host.api.features import Features
from host.api.job_service import JobService
from host.api.logs import LogBook
from host.api.metrics import Metrics
from host.api.node_info import NodeInfo
from host.api.pack_content import PackContent
from host.api.pack_server import ApplicationRoute, PackServer
from host.api.routes.history import history_router
from host.api.routes.internal import internal_router
from host.api.routes.jobs import job_router
from host.api.routes.machine import machine_router, watch_router
from host.api.routes.models import model_router
from host.api.routes.nodes import node_router
from host.api.routes.packs import pack_router, warn_of_hidden
from host.api.routes.prompt import prompt_router
from host.api.routes.run import run_router
from host.api.routes.uploads import upload_router
from host.api.routes.userdata import userdata_router
from host.api.routes.users import user_router
from host.api.routes.view import view_router
from host.api.routes.webhooks import webhook_router
from host.api.routes.websocket import websocket_router
from host.api.sockets import Sockets
from host.api.users import Users
from host.api.webhooks.sending import Webhooks
from host.api.webhooks.store import WebhookStore
from host.engine.jobs.store import JobStore

if TYPE_CHECKING:
    from fastapi import APIRouter

    from host.api.server_settings import ServerSettings
    from host.app import Host

SECONDS_TO_STOP = 30.0
JOBS_FILE, WEBHOOKS_FILE = "jobs.sqlite3", "webhooks.sqlite3"
DESCRIPTION = (
    "Runs node graphs; speaks ComfyUI's web API. Every route but those under /internal, /healthz and /metrics also "
    "exists below /api."
)


def create_app(host: Host, settings: ServerSettings) -> FastAPI:
    """A server around a host; its worker runs as long as the application does.

    Raises:
        JobStoreError: the file of the jobs can't be used, or another server works on it.
        BadKeyFile: the API keys can't be read.
    """
    keys = None if settings.api_key_file is None else read_keys(settings.api_key_file)
    folders = host.services.folders
    sockets, features = Sockets(), Features(settings.max_upload_bytes)
    store = JobStore(folders.root("user") / JOBS_FILE, keep=settings.history_size)
    store.own()
    webhook_store = WebhookStore(folders.root("user") / WEBHOOKS_FILE)
    webhooks = Webhooks(settings.webhooks, webhook_store)
    metrics = Metrics(lambda: jobs.remaining, lambda: len(sockets))
    jobs = JobService(host, store, sockets, [metrics.count, webhooks.job_changed], webhooks.check)
    log_book = LogBook(sockets)
    pack_server = PackServer(jobs, sockets)
    pack_server.tell_packs(host.registry.manager)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sockets.start()
        logging.getLogger().addHandler(log_book)
        webhooks.start()
        await pack_server.start()
        jobs.start(requeue=settings.requeue)
        yield
        await pack_server.stop()
        await run_in_threadpool(jobs.close, SECONDS_TO_STOP)
        await run_in_threadpool(webhooks.close, SECONDS_TO_STOP)
        logging.getLogger().removeHandler(log_book)
        sockets.stop()
        webhook_store.close()
        store.close()

    app = FastAPI(title="comfy-nodes", description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.jobs = jobs
    users = Users(folders, several=settings.multi_user)
    prefixed = [
        prompt_router(jobs, pack_server.revised),
        run_router(host, jobs, users),
        history_router(jobs),
        job_router(jobs),
        webhook_router(webhooks),
        node_router(NodeInfo(host.catalogue), host.catalogue),
        view_router(folders, host.library),
        upload_router(folders),
        model_router(host.library, host.services.holdings),
        userdata_router(users),
        user_router(users),
        machine_router(settings.argv, host.settings.device, features, host.registry),
        websocket_router(jobs, sockets, features),
    ]
    _include(app, prefixed, [watch_router(metrics), internal_router(folders, host.library, log_book)])
    own_paths = {getattr(route, "path", "") for router in prefixed for route in router.routes}
    _add_front_end(app, host, settings, own_paths, pack_server)
    _add_guards(app, host, settings, keys)
    return app


def _add_front_end(
    app: FastAPI, host: Host, settings: ServerSettings, own_paths: set[str], pack_server: PackServer
) -> None:
    """What packs and the graph editor add: routes first, then files, those below ``/`` last."""
    editor = settings.front_end or front_end.installed_front_end()
    content = PackContent(host.registry.contributions("web_directories"))
    routes = list(host.registry.contributions("routes"))
    _include(app, [front_end.front_end_router(editor, content)], [_page_router(app)])
    warn_of_hidden(routes, own_paths)
    _include(app, [pack_router(routes)], [])
    app.router.routes.append(ApplicationRoute(pack_server))
    templates = front_end.template_folders(host.settings.base_dir)
    files_by_path = {**content.mounts(), **front_end.mounts(editor, templates)}
    app.include_router(front_end.home_router() if editor is None else front_end.template_router(templates))
    for path, files in files_by_path.items():
        app.mount(path, files)


def _add_guards(app: FastAPI, host: Host, settings: ServerSettings, keys: Any) -> None:
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, answer)
    if keys is not None:
        routes: dict[str, Any] = {"keys": keys, "routes": [route for _, route in host.registry.contributions("routes")]}
        app.add_middleware(KeyGuard, **routes)
    guards: dict[str, Any] = {
        "cors_origin": settings.cors_origin,
        "max_bytes": settings.max_upload_bytes,
        "allowed_hosts": settings.allowed_hosts,
    }
    app.add_middleware(Guards, **guards)


def _include(app: FastAPI, prefixed: list[APIRouter], plain: list[APIRouter]) -> None:
    for router in prefixed:
        app.include_router(router)
        app.include_router(router, prefix="/api", include_in_schema=False)
    for router in plain:
        app.include_router(router)


def _page_router(app: FastAPI) -> APIRouter:
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/openapi", include_in_schema=False)
    def description_for_people() -> Response:
        return HTMLResponse(api_page(app.openapi()))

    @router.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(Path(__file__).with_name("icon.svg").read_bytes(), media_type="image/svg+xml")

    return router
