"""Health and numbers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from registry_server.errors import Unavailable
from registry_server.requests import Registry

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(parts: Registry) -> Response:
    """Whether database and storage answer, so that requests may be sent here."""
    found: dict[str, Any] = {}
    for name, part in (("database", parts.database), ("storage", parts.storage)):
        try:
            part.check()
            found[name] = "ok"
        except Unavailable as error:
            found[name] = str(error)
    ready = all(value == "ok" for value in found.values())
    return JSONResponse({"status": "ok" if ready else "unavailable"} | found, 200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    body, kind = request.app.state.metrics.page()
    return Response(body, media_type=kind)
