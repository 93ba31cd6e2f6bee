"""Webhooks: told once the change is committed, signed, tried again."""

from __future__ import annotations

import json

import httpx
import pytest
from sqlalchemy import select

from registry_server.accounts.identity import OPERATOR
from registry_server.errors import BadRequest
from registry_server.webhooks.sender import SIGNATURE_HEADER, Sender, sign
from registry_server.webhooks.service import add, remove
from registry_server.webhooks.tables import Delivery
from tests.support.registry import Registry


class Listener:
    """Takes messages, or fails."""

    def __init__(self, server: Registry) -> None:
        self.got: list[httpx.Request] = []
        self.status = 200
        client = httpx.Client(transport=httpx.MockTransport(self.answer))
        self.sender = Sender(server.parts.database, server.clock, client)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        return httpx.Response(self.status)


def test_a_change_is_told_and_signed(server: Registry) -> None:
    with server.parts.database.write() as session:
        secret = add(session, OPERATOR, server.clock(), "http://listener.test/x").secret
    server.publish()
    listener = Listener(server)
    assert listener.sender.send_due() == 1
    assert listener.sender.send_due() == 0
    request = listener.got[0]
    told = json.loads(request.content)
    assert (told["event"], told["pack"], told["version"], told["serial"]) == ("published", "probe-pack", "1.0.0", 1)
    assert request.headers[SIGNATURE_HEADER] == sign(secret, request.content.decode())


def test_a_listener_that_fails_is_told_again_and_given_up_after_a_day(server: Registry) -> None:
    with server.parts.database.write() as session:
        add(session, OPERATOR, server.clock(), "http://listener.test/x")
    server.publish()
    listener = Listener(server)
    listener.status = 500
    for _ in range(20):
        listener.sender.send_due()
        server.clock.pass_by(50_000)
    assert len(listener.got) == 8
    with server.parts.database.read() as session:
        delivery = session.scalars(select(Delivery)).one()
    assert (delivery.next_at, delivery.delivered_at, delivery.problem) == (None, None, "it answered 500")


def test_a_removed_webhook_is_told_nothing(server: Registry) -> None:
    with server.parts.database.write() as session:
        hook = add(session, OPERATOR, server.clock(), "http://listener.test/x")
    server.publish()
    with server.parts.database.write() as session:
        remove(session, OPERATOR, server.clock(), hook.id)
    assert Listener(server).sender.send_due() == 0


@pytest.mark.parametrize("url", ["", "listener", "file:///etc/passwd", "ftp://x/y"])
def test_only_web_addresses_are_told(server: Registry, url: str) -> None:
    with pytest.raises(BadRequest), server.parts.database.write() as session:
        add(session, OPERATOR, server.clock(), url)
