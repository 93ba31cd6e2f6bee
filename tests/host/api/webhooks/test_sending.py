from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from host.api.server_settings import WebhookSettings
from host.api.webhooks.sending import Webhooks, sign
from host.api.webhooks.store import Delivery, WebhookStore
from host.api.webhooks.targets import BadWebhook, check, is_public
from host.engine.jobs.records import Job, JobOutcome, JobState
from tests.support.live_server import make_host, serving

SECONDS = 30
OPEN = WebhookSettings(secret="secret", private=True)
JOB = Job(id="j", prompt={}).start(1.0).end(JobOutcome(state=JobState.SUCCEEDED, results={"2": {"text": ["3"]}}), 2.5)


class Receiver:
    """A server that keeps what it is sent and answers as told, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self._statuses, self._changed = list(statuses), threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver._keep({k.lower(): v for k, v in self.headers.items()}, body))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?x=1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _keep(self, headers: dict[str, str], body: bytes) -> int:
        with self._changed:
            self.received.append((headers, body))
            self._changed.notify_all()
            return self._statuses.pop(0) if self._statuses else 200

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, SECONDS)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(*statuses: int) -> Receiver:
        made.append(Receiver(*statuses))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WebhookStore]:
    opened = WebhookStore(tmp_path / "webhooks.sqlite3", keep=3)
    yield opened
    opened.close()


def told(job: Job, url: str) -> Job:
    from dataclasses import replace

    return replace(job, extra_data={"webhook": url})


def test_a_job_s_end_is_told_signed_and_can_be_looked_up(tmp_path: Path, receiver: Callable[..., Receiver]) -> None:
    hook = receiver()
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}}
    prompt["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    with serving(make_host(tmp_path), webhooks=OPEN) as server:
        job_id = server.post("/prompt", {"prompt": prompt, "webhook": hook.url}).json["prompt_id"]
        hook.wait(1)
        ((headers, body),) = hook.received
        said = json.loads(body)
        assert (said["type"], said["data"]["id"], said["data"]["state"]) == ("job.ended", job_id, "succeeded")
        assert said["data"]["outputs"]["2"]["images"][0]["type"] == "temp"
        moment = int(headers["webhook-timestamp"])
        assert headers["webhook-signature"] == sign("secret", headers["webhook-id"], moment, body.decode())
        assert headers["host"] == hook.url.split("/")[2]
        assert server.get("/api/webhooks").json[0]["job_id"] == job_id


def test_the_signature_is_that_of_standard_webhooks() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_what_fails_is_tried_again_later_and_given_up_in_the_end(
    store: WebhookStore, receiver: Callable[..., Receiver]
) -> None:
    hook = receiver(500, 302, 503)
    webhooks = Webhooks(OPEN, store, delays=(0.0, 0.0))
    webhooks.start()
    webhooks.job_changed(told(JOB, hook.url))
    hook.wait(3)
    webhooks.close(SECONDS)
    (delivery,) = webhooks.newest(10)
    assert (delivery.attempts, delivery.status, delivery.next_at) == (3, 503, None)
    assert delivery.as_json()["delivered"] is False
    assert len({headers["webhook-id"] for headers, _ in hook.received}) == 1


def test_one_that_is_gone_is_not_asked_again(store: WebhookStore, receiver: Callable[..., Receiver]) -> None:
    hook, other = receiver(410), receiver()
    webhooks = Webhooks(OPEN, store, delays=(0.0,))
    webhooks.start()
    webhooks.job_changed(told(JOB, hook.url))
    hook.wait(1)
    webhooks.job_changed(told(JOB, other.url))
    other.wait(1)
    webhooks.close(SECONDS)
    assert len(hook.received) == 1


def test_what_was_not_delivered_is_after_a_restart(store: WebhookStore, receiver: Callable[..., Receiver]) -> None:
    hook = receiver()
    Webhooks(OPEN, store).job_changed(told(JOB, hook.url))
    restarted = Webhooks(OPEN, store)
    restarted.start()
    hook.wait(1)
    restarted.close(SECONDS)
    assert [delivery.as_json()["delivered"] for delivery in restarted.newest(10)] == [True]


def test_only_the_last_deliveries_are_kept(store: WebhookStore) -> None:
    for number in range(5):
        store.put(Delivery(id=str(number), job_id="j", url="u", body="{}", created=number))
    store.put(Delivery(id="waiting", job_id="j", url="u", body="{}", created=0, next_at=9.0))
    assert [delivery.id for delivery in store.newest(10)] == ["4", "3", "2", "waiting"]


ADDRESSES = {
    "public.example": ["93.184.216.34"],
    "mixed.example": ["93.184.216.34", "10.0.0.1"],
    "local.example": ["127.0.0.1"],
    "none.example": [],
}


def resolve(name: str, port: int) -> list[str]:
    if name in ADDRESSES:
        return ADDRESSES[name]
    if name.replace(".", "").isdigit() or ":" in name:
        return [name]
    raise OSError("unknown")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://public.example/",
        "file:///etc/passwd",
        "public.example",
        "http://",
        "http://user:secret@public.example/",
        "http://public.example:99999/",
        "http://unknown.example/",
        "http://none.example/",
        "http://local.example/",
        "http://mixed.example/",
        "http://127.0.0.1:8188/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://public.example/\nHost: x",
        "http://public.example/" + "x" * 3000,
    ],
)
def test_an_address_that_is_not_public_or_none_is_refused(url: str) -> None:
    with pytest.raises(BadWebhook):
        check(url, WebhookSettings(secret="s"), resolve)


def test_a_request_goes_to_the_address_that_was_checked() -> None:
    target = check("https://public.example:8443/a?b=c", WebhookSettings(secret="s"), resolve)
    assert (target.url, target.host_header) == ("https://93.184.216.34:8443/a?b=c", "public.example:8443")
    assert target.name == "public.example"
    private = check("http://[::1]/", OPEN, resolve)
    assert (private.url, private.host_header) == ("http://[::1]/", "[::1]")


def test_only_hosts_of_the_list_are_told_if_there_is_one() -> None:
    settings = WebhookSettings(secret="s", hosts=("public.example",))
    check("http://PUBLIC.example/", settings, resolve)
    for other in ("http://93.184.216.34/", "http://x.public.example/"):
        with pytest.raises(BadWebhook, match="alone"):
            check(other, settings, resolve)


def test_a_webhook_that_can_not_be_used_is_refused_with_the_prompt(tmp_path: Path) -> None:
    prompt: dict[str, Any] = {}
    with serving(make_host(tmp_path / "off")) as server:
        refused = server.post("/prompt", {"prompt": prompt, "webhook": "http://127.0.0.1/"})
        assert refused.status == 400
        assert "webhook_secret" in refused.json["error"]
    with serving(make_host(tmp_path / "on"), webhooks=WebhookSettings(secret="s")) as server:
        for said in ({"webhook": "http://127.0.0.1/"}, {"extra_data": {"webhook": "http://10.0.0.1/"}}):
            refused = server.post("/prompt", {"prompt": prompt, **said})
            assert refused.status == 400
            assert "not public" in refused.json["error"]


def test_public_addresses_are_told_from_others() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700:4700::1111")
    for address in ("192.168.1.1", "100.64.0.1", "224.0.0.1", "fe80::1%eth0", "2002:7f00:1::"):
        assert not is_public(address)
