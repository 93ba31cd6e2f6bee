"""Puts the routes together around one host."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from host.api import front_end
from host.api.error_answers import ANSWERS
from host.api.features import Features
from host.api.guards import Guards
from host.api.history_routes import history_router
from host.api.internal_routes import internal_router
from host.api.job_routes import job_router
from host.api.job_service import JobService
from host.api.logs import LogBook
from host.api.machine_routes import machine_router, watch_router
from host.api.metrics import Metrics
from host.api.model_routes import model_router
from host.api.node_info import NodeInfo
from host.api.node_routes import node_router
from host.api.prompt_routes import prompt_router
from host.api.server_settings import ServerSettings
from host.api.sockets import Sockets
from host.api.upload_routes import upload_router
from host.api.user_files import UserFiles
from host.api.user_routes import user_router
from host.api.userdata_routes import userdata_router
from host.api.view_routes import view_router
from host.api.websocket_routes import websocket_router
from host.engine.job_store import JobStore

if TYPE_CHECKING:
    from fastapi import APIRouter

    from host.app import Host

SECONDS_TO_STOP = 30.0
JOBS_FILE = "jobs.sqlite3"


def create_app(host: Host, settings: ServerSettings) -> FastAPI:
    """A server around a host; its worker runs as long as the application does.

    Raises:
        JobStoreError: the file of the jobs can't be used.
    """
    folders, library = host.services.folders, host.library
    sockets, features = Sockets(), Features(settings.max_upload_bytes)
    log_book = LogBook(sockets)
    store = JobStore(folders.root("user") / JOBS_FILE, keep=settings.history_size)
    metrics = Metrics(lambda: jobs.remaining, lambda: len(sockets))
    jobs = JobService(host, store, sockets, [metrics.count])
    editor = settings.front_end or front_end.installed_front_end()
    user_files = UserFiles(folders)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sockets.start()
        logging.getLogger().addHandler(log_book)
        jobs.start(requeue=settings.requeue)
        yield
        await run_in_threadpool(jobs.close, SECONDS_TO_STOP)
        logging.getLogger().removeHandler(log_book)
        sockets.stop()
        store.close()

    app = FastAPI(
        title="comfy-nodes",
        description="Runs node graphs; speaks ComfyUI's web API. Every route but those under /internal, /healthz and "
        "/metrics also exists below /api.",
        docs_url="/openapi",
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.jobs = jobs
    prefixed = [
        prompt_router(jobs),
        history_router(jobs),
        job_router(jobs),
        node_router(NodeInfo(host.catalogue)),
        view_router(folders, library),
        upload_router(folders),
        model_router(library),
        userdata_router(user_files),
        user_router(user_files),
        machine_router(settings.argv, host.settings.device, features, host.registry),
        front_end.front_end_router(editor),
        websocket_router(jobs, sockets, features),
    ]
    _include(app, prefixed, [watch_router(metrics), internal_router(folders, library, log_book)])
    if editor is None:
        app.include_router(front_end.home_router())
    for path, files in front_end.mounts(editor).items():
        app.mount(path, files)
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, answer)
    guards: dict[str, Any] = {"cors_origin": settings.cors_origin, "max_bytes": settings.max_upload_bytes}
    app.add_middleware(Guards, **guards)
    return app


def _include(app: FastAPI, prefixed: list[APIRouter], plain: list[APIRouter]) -> None:
    for router in prefixed:
        app.include_router(router)
        app.include_router(router, prefix="/api", include_in_schema=False)
    for router in plain:
        app.include_router(router)
