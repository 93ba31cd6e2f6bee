"""``/system_stats``, ``/features``, ``/healthz``, ``/metrics`` and which packs were loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from host.api.answers import answer_json
from host.api.features import Features
from host.api.machine import system_stats
from host.api.metrics import Metrics

if TYPE_CHECKING:
    from host.plugins import PackRegistry


def machine_router(argv: tuple[str, ...], device: str, features: Features, registry: PackRegistry) -> APIRouter:
    """The routes about the machine and what this server can do."""
    router = APIRouter(tags=["server"])

    @router.get("/system_stats")
    def machine() -> Response:
        """Versions, memory and devices."""
        return answer_json(system_stats(argv, device))

    @router.get("/features")
    def what_it_can_do() -> Response:
        """What this server can do beyond the first version of its API."""
        return answer_json(features.as_json())

    @router.get("/packs")
    def packs() -> Response:
        """The loaded packs, and those that could not be loaded, with the reason and what to do."""
        loaded = [
            {"name": pack.name, "version": pack.version, "origin": pack.origin, "nodes": [n.id for n in pack.nodes]}
            for pack in registry.packs.values()
        ]
        failed = [
            {"name": gone.pack, "version": gone.version, "origin": gone.origin, "error": gone.error, "hint": gone.hint}
            for gone in registry.failures
        ]
        return answer_json({"loaded": loaded, "failed": failed})

    return router


def watch_router(metrics: Metrics) -> APIRouter:
    """What monitoring asks for; without a prefix."""
    router = APIRouter(tags=["server"])

    @router.get("/healthz")
    def alive() -> Response:
        """That the server answers."""
        return answer_json({"status": "ok"})

    @router.get("/metrics")
    def numbers() -> Response:
        """Counters and gauges in the text format of Prometheus."""
        content, media_type = metrics.page()
        return Response(content, headers={"Content-Type": media_type})

    return router
