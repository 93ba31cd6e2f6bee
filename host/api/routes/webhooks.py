"""``/webhooks``: what was sent to whom, and how it went."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from host.api.answers import answer_json
from host.api.requests import whole_number
from host.api.webhooks.sending import Webhooks

DEFAULT_LIMIT, MOST = 100, 1000


def webhook_router(webhooks: Webhooks) -> APIRouter:
    """The routes about webhooks."""
    router = APIRouter(tags=["jobs"])

    @router.get("/webhooks")
    def deliveries(limit: str | None = None) -> Response:
        """The last deliveries, the newest first: job, address, attempts, the last answer, when it is tried again."""
        wanted = min(whole_number(limit, "limit", DEFAULT_LIMIT, least=1) or DEFAULT_LIMIT, MOST)
        return answer_json([delivery.as_json() for delivery in webhooks.newest(wanted)])

    return router
