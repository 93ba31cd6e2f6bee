"""Sends what webhooks wait for: in order, again and again until it arrives or a day has passed."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Sequence
from functools import cached_property

import httpx
from sqlalchemy import select

from registry_server.clock import Clock, later, stamp
from registry_server.db.database import Database
from registry_server.errors import Unavailable
from registry_server.webhooks.tables import Delivery, Webhook

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Registry-Signature"
SECONDS_BETWEEN = 2.0
_WAITS = (10, 60, 300, 1800, 7200, 21_600, 43_200)
_AT_ONCE = 20


def sign(secret: str, body: str) -> str:
    """``sha256=<hex>``: HMAC of the body with the webhook's secret."""
    return "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


class Sender:
    """A thread that sends what is due. ``stop`` ends it; nothing is lost, as all is in the database."""

    def __init__(self, database: Database, clock: Clock, client: httpx.Client | None = None) -> None:
        self._database, self._clock = database, clock
        self._given = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    @cached_property
    def _client(self) -> httpx.Client:
        return self._given or httpx.Client(timeout=10, follow_redirects=False)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message that is just being sent."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)
        if "_client" in vars(self):
            self._client.close()

    def send_due(self) -> int:
        """Send what is due now; how many messages were tried."""
        due = self._due()
        for delivery_id, url, secret, body, attempts in due:
            problem = self._send(url, secret, body)
            self._note(delivery_id, attempts + 1, problem)
        return len(due)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                sent = self.send_due()
            except Unavailable as error:
                logger.warning("webhooks wait: %s", error)
                sent = 0
            self._ended.wait(0 if sent == _AT_ONCE else SECONDS_BETWEEN)

    def _due(self) -> Sequence[tuple[int, str, str, str, int]]:
        query = select(Delivery.id, Webhook.url, Webhook.secret, Delivery.body, Delivery.attempts)
        with self._database.read() as session:
            rows = session.execute(
                query.join(Webhook, Webhook.id == Delivery.webhook_id)
                .where(Delivery.next_at <= stamp(self._clock()))
                .order_by(Delivery.id)
                .limit(_AT_ONCE)
            )
            return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def _send(self, url: str, secret: str, body: str) -> str:
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: sign(secret, body)}
        try:
            answer = self._client.post(url, content=body.encode(), headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.is_success else f"it answered {answer.status_code}"

    def _note(self, delivery_id: int, attempts: int, problem: str) -> None:
        moment = self._clock()
        with self._database.write() as session:
            delivery = session.get(Delivery, delivery_id)
            if delivery is None:
                return
            delivery.attempts, delivery.problem = attempts, problem
            if not problem:
                delivery.delivered_at, delivery.next_at = stamp(moment), None
            elif attempts > len(_WAITS):
                delivery.next_at = None
                logger.warning("webhook message %s is given up after %s attempts: %s", delivery_id, attempts, problem)
            else:
                delivery.next_at = later(moment, _WAITS[attempts - 1])
