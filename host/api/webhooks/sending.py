"""Tells webhooks how jobs ended: signed, with retries, and without losing any when the server restarts.

Signed as Standard Webhooks 1.0 (standardwebhooks.com) has it: ``webhook-signature`` is ``v1,`` and the base64 of
HMAC-SHA256 over ``<webhook-id>.<webhook-timestamp>.<body>``. The id stays the same over all attempts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from host.api import job_views
from host.api.answers import dumps
from host.api.server_settings import WebhookSettings
from host.api.webhooks import targets as webhook_targets
from host.api.webhooks.store import Delivery, WebhookStore
from host.api.webhooks.targets import BadWebhook, Resolve
from host.engine.jobs.records import Job

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

KEY = "webhook"
"""Where a job's extra data has the address."""

DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds from a failed attempt to the next one; after the last of them it is given up."""

SECONDS_TO_ANSWER = 10.0
_GONE = 410


class Webhooks:
    """Sends on a thread of its own. ``job_changed`` is an observer of jobs; one condition guards the wish to end.

    Args:
        store: closed by the caller after ``close``.
        delays: see ``DELAYS``.
        resolve: finds addresses of host names.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        store: WebhookStore,
        *,
        delays: tuple[float, ...] = DELAYS,
        resolve: Resolve = webhook_targets.resolve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._store, self._delays = settings, store, delays
        self._resolve, self._clock = resolve, clock
        self._changed = threading.Condition()
        self._closed = False
        self._worker: threading.Thread | None = None

    def check(self, url: str) -> None:
        """Refuse an address that nothing would be sent to; raises BadWebhook."""
        webhook_targets.check(url, self._settings, self._resolve)

    def start(self) -> None:
        """Begin to send, also what an earlier process left; nothing while webhooks are off."""
        if self._settings.secret is not None:
            self._worker = threading.Thread(target=self._work, name="webhooks", daemon=True)
            self._worker.start()

    def close(self, timeout: float | None = None) -> None:
        """Stop; what was not delivered waits for the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join(timeout)

    def job_changed(self, job: Job) -> None:
        """Tell the job's webhook, if it has one and has ended."""
        url = job.extra_data.get(KEY)
        if not job.state.ended or not isinstance(url, str):
            return
        now = self._clock()
        shown = {**job_views.summary(job), "outputs": job.outcome.results if job.outcome else {}}
        body = dumps({"type": "job.ended", "timestamp": now, "data": {**shown, "state": job.state.value}})
        self._store.put(Delivery(id=str(uuid.uuid4()), job_id=job.id, url=url, body=body, created=now, next_at=now))
        with self._changed:
            self._changed.notify_all()

    def newest(self, limit: int) -> list[Delivery]:
        """The last deliveries, the newest first."""
        return self._store.newest(limit)

    # -- the worker

    def _work(self) -> None:
        import httpx

        with httpx.Client(timeout=SECONDS_TO_ANSWER, follow_redirects=False, trust_env=False) as client:
            while (delivery := self._next()) is not None:
                self._store.put(self._attempted(delivery, client))

    def _next(self) -> Delivery | None:
        """The next delivery, once it is due; None when closed."""
        with self._changed:
            while not self._closed:
                delivery = self._store.next()
                remaining = None if delivery is None else (delivery.next_at or 0) - self._clock()
                if delivery is not None and remaining is not None and remaining <= 0:
                    return delivery
                self._changed.wait(remaining)
            return None

    def _attempted(self, delivery: Delivery, client: httpx.Client) -> Delivery:
        """The delivery after one more attempt."""
        tried = replace(delivery, attempts=delivery.attempts + 1, next_at=None, error=None)
        try:
            status = self._send(delivery, client)
        except BadWebhook as refused:
            logger.warning("job %s: %s", delivery.job_id, refused)
            return replace(tried, error=str(refused))
        except OSError as error:
            return self._again(replace(tried, error=f"{type(error).__name__}: {error}"))
        if 200 <= status < 300:
            return replace(tried, status=status)
        failed = replace(tried, status=status, error=f"it answered {status}")
        return failed if status == _GONE else self._again(failed)

    def _again(self, failed: Delivery) -> Delivery:
        if failed.attempts > len(self._delays):
            logger.warning("job %s: its webhook is given up after %d attempts", failed.job_id, failed.attempts)
            return failed
        return replace(failed, next_at=self._clock() + self._delays[failed.attempts - 1])

    def _send(self, delivery: Delivery, client: httpx.Client) -> int:
        """The status of the answer; raises BadWebhook and OSError."""
        import httpx

        target = webhook_targets.check(delivery.url, self._settings, self._resolve)
        timestamp = int(self._clock())
        headers = {
            "Host": target.host_header,
            "Content-Type": "application/json",
            "Webhook-Id": delivery.id,
            "Webhook-Timestamp": str(timestamp),
            "Webhook-Signature": sign(self._settings.secret or "", delivery.id, timestamp, delivery.body),
        }
        extensions = {"sni_hostname": target.name}
        try:
            with client.stream(
                "POST", target.url, content=delivery.body.encode(), headers=headers, extensions=extensions
            ) as answer:
                return answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(str(error)) from error


def sign(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """The signature of a message; a secret that begins with ``whsec_`` is base64, any other one is taken as it is."""
    encoded = secret.removeprefix("whsec_")
    key = secret.encode() if encoded == secret else base64.b64decode(encoded)
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
