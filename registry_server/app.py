"""Puts the registry together: the only place that wires its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from anyio import to_thread
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from registry_server.accounts.trusted import IssuerKeys, TrustedPublishing
from registry_server.api import pack_routes, publish_routes, workflow_routes
from registry_server.clock import Clock, now
from registry_server.comfy import map_routes, node_routes, publisher_routes
from registry_server.comfy import publish_routes as comfy_publish_routes
from registry_server.db.database import THREADS, Database
from registry_server.db.freshness import Freshness
from registry_server.db.migrate import migrate
from registry_server.index.asgi import IndexApp
from registry_server.index.channel import channel_files
from registry_server.index.mirror import Mirror
from registry_server.index.reader import DocumentReader
from registry_server.index.service import Indexer
from registry_server.index.snapshot import refresh_snapshot
from registry_server.kept_answers import KeptAnswers
from registry_server.nodes.service import NodeService
from registry_server.operations import routes as operations
from registry_server.operations.chores import Chores
from registry_server.operations.observing import Metrics, Observed, OnlyText
from registry_server.packs import download_routes
from registry_server.packs.service import PackService
from registry_server.publishing.extraction import Extraction
from registry_server.publishing.receiving import remove_leftovers
from registry_server.publishing.service import Publishing
from registry_server.publishing.signing import Signer, read_secret
from registry_server.rate_limits import RateLimit
from registry_server.requests import Parts
from registry_server.scanning.examined import Examiner
from registry_server.scanning.static import StaticExaminer
from registry_server.search.postgres import PostgresSearch
from registry_server.search.query import Search
from registry_server.search.sqlite import SqliteSearch
from registry_server.settings import Settings
from registry_server.storage.locations import open_storage
from registry_server.web import routes as web
from registry_server.web import site_routes
from registry_server.web.errors import PAGE_ANSWERS
from registry_server.web.shared import SharedNodes
from registry_server.webhooks.sender import Sender
from sdk.archives import Limits

ROUTERS = (
    operations.router,
    node_routes.router,
    map_routes.router,
    comfy_publish_routes.router,
    publisher_routes.router,
    publish_routes.router,
    workflow_routes.router,
    pack_routes.router,
    download_routes.router,
    web.router,
    site_routes.router,
)


def create_parts(settings: Settings, *, examiner: Examiner | None = None, clock: Clock = now) -> Parts:
    """Open database and storage, bring the schema up to date, and make the services.

    Raises:
        RegistryError: something in the settings can't be used, or can't be reached.
    """
    remove_leftovers(settings.incoming)
    database = Database(settings.database)
    migrate(database)
    storage = open_storage(settings.storage, settings.s3_key, settings.s3_secret)
    search: Search = SqliteSearch() if database.is_sqlite else PostgresSearch()
    indexer = Indexer(search)
    limits = Limits(archive_bytes=settings.max_archive_bytes)
    publishing = Publishing(
        database=database,
        storage=storage,
        examiner=examiner or StaticExaminer(settings.incoming, limits, settings.host_ranges),
        indexer=indexer,
        signer=Signer(read_secret(settings.data / "secret")),
        clock=clock,
        upload_seconds=settings.upload_seconds,
        review=settings.review,
    )
    return Parts(
        settings=settings,
        database=database,
        storage=storage,
        search=search,
        indexer=indexer,
        packs=PackService(indexer),
        nodes=NodeService(indexer),
        publishing=publishing,
        extraction=Extraction(indexer),
        trusted=TrustedPublishing(database=database, keys=IssuerKeys(), clock=clock, issuers=settings.oidc_issuers),
        mirror=Mirror(database=database, storage=storage, indexer=indexer, clock=clock, workspace=settings.incoming),
        clock=clock,
        writes=RateLimit("writes", settings.writes_per_minute),
        failed_logins=RateLimit("wrong tokens", settings.failed_logins_per_minute),
    )


def create_app(parts: Parts, address: str) -> ASGIApp:
    """The registry as an ASGI application; ``address`` is the root of its API where no public one is set."""
    extras = channel_files(parts.database) if parts.settings.channel else {}
    reader = DocumentReader(parts.database, parts.settings.name, parts.settings.public_url or address, extras)
    freshness = Freshness(parts.database)
    metrics = Metrics(lambda: reader.serial)
    lifespan = _lifespan(parts, reader, freshness)
    app = FastAPI(title=parts.settings.name, version="1", lifespan=lifespan, exception_handlers=PAGE_ANSWERS)
    app.state.parts, app.state.metrics, app.state.shared_nodes = parts, metrics, SharedNodes(parts.database)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["ETag"]
    )
    kept = KeptAnswers(app, freshness.now)
    return Observed(OnlyText(IndexApp(kept, reader, extras)), metrics)


def _lifespan(
    parts: Parts, reader: DocumentReader, freshness: Freshness
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    settings = parts.settings
    snapshot = partial(refresh_snapshot, parts.database, parts.storage, settings.name, settings.incoming)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        sender, chores = Sender(parts.database, parts.clock), Chores(snapshot)
        sender.start()
        chores.start()
        try:
            yield
        finally:
            freshness.close()
            for end in (sender.stop, chores.stop, reader.close, parts.database.close):
                await run_in_threadpool(end)

    return lifespan
