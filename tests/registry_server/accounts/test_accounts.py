"""Tokens, limits, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from registry_server.accounts.identity import OPERATOR, Identity, Scope
from registry_server.accounts.service import ban_publisher, create_token, revoke_token
from registry_server.accounts.tables import Token
from registry_server.accounts.tokens import parse_duration
from registry_server.audit.repository import entries
from registry_server.errors import BadRequest, Forbidden, TooOften
from registry_server.rate_limits import RateLimit
from registry_server.settings import Settings
from tests.support.registry import Registry, bearer, registry
from tests.support.registry_packs import pack


def test_a_token_is_stored_as_a_hash_alone(server: Registry) -> None:
    secret = server.publisher()
    with server.parts.database.read() as session:
        kept = str([vars(row) for row in session.query(Token)])
    assert secret not in kept
    assert secret[-4:] in kept


def test_a_token_ends_when_it_expires_or_is_revoked(server: Registry) -> None:
    server.publisher()
    with server.parts.database.write() as session:
        short, _ = create_token(
            session, OPERATOR, server.clock(), publisher_id="acme", scopes=["publish:pack"], seconds=60
        )
        other, row = create_token(session, OPERATOR, server.clock(), publisher_id="acme", scopes=["publish:pack"])
    assert server.client.get("/api/v1/whoami", headers=bearer(short)).json()["publisher"] == "acme"
    assert server.client.get("/api/v1/whoami", headers=bearer(other)).json()["expires"] == ""
    server.clock.pass_by(61)
    assert server.client.get("/api/v1/whoami", headers=bearer(short)).status_code == 401
    with server.parts.database.write() as session:
        revoke_token(session, OPERATOR, server.clock(), row.id)
    assert server.client.get("/api/v1/whoami", headers=bearer(other)).status_code == 401


def test_the_last_use_of_a_token_is_noted(server: Registry) -> None:
    server.client.get("/api/v1/whoami", headers=bearer(server.publisher()))
    with server.parts.database.read() as session:
        assert session.query(Token).one().last_used_at is not None


def test_a_token_for_one_pack_publishes_no_other(server: Registry) -> None:
    server.publisher()
    with server.parts.database.write() as session:
        token, _ = create_token(
            session, OPERATOR, server.clock(), publisher_id="acme", scopes=["publish:pack"], packs=["Probe_Pack"]
        )
    assert server.upload(pack("other-pack"), token).status_code == 403
    assert server.upload(pack(), token).status_code == 201


def test_nobody_gives_away_more_than_they_have(server: Registry) -> None:
    server.publisher()
    manager = Identity(actor="acme", publisher="acme", scopes=frozenset({Scope.MANAGE}))
    with server.parts.database.write() as session:
        for fields in (
            {"scopes": ["admin"]},
            {"publisher_id": "acme", "scopes": ["account"]},
            {"scopes": ["publish:pack"]},
        ):
            with pytest.raises(Forbidden):
                create_token(session, manager, server.clock(), **fields)  # type: ignore[arg-type]
        with pytest.raises(BadRequest, match="scopes"):
            create_token(session, OPERATOR, server.clock(), scopes=["everything"])


def test_a_banned_publisher_is_out(server: Registry) -> None:
    token = server.publisher()
    with server.parts.database.write() as session:
        ban_publisher(session, OPERATOR, server.clock(), "acme", True)
    assert server.upload(pack(), token).status_code == 403
    assert server.announce(token=token).status_code == 403


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5h", "9999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_duration(text)


def test_durations_are_read() -> None:
    assert (parse_duration("90d"), parse_duration("12h"), parse_duration("15m")) == (7_776_000, 43_200, 900)


def test_a_limit_lets_through_what_it_says_and_fills_up_again() -> None:
    now = [0.0]
    limit = RateLimit("writes", 2, lambda: now[0])
    limit.spend("a")
    limit.spend("a")
    with pytest.raises(TooOften) as caught:
        limit.spend("a")
    assert caught.value.seconds == 30
    limit.spend("b")
    now[0] = 30
    limit.spend("a")
    with pytest.raises(TooOften):
        limit.check("a")


@pytest.fixture
def strict(settings: Settings) -> Iterator[Registry]:
    with registry(replace(settings, writes_per_minute=2, failed_logins_per_minute=3)) as server:
        yield server


def test_writes_and_wrong_tokens_are_limited(strict: Registry) -> None:
    token = strict.publisher()
    assert [strict.announce(token=token).status_code for _ in range(3)] == [201, 201, 429]
    wrong = [strict.client.get("/api/v1/whoami", headers=bearer(f"cnr_{n}")) for n in range(4)]
    assert [answer.status_code for answer in wrong] == [401, 401, 401, 429]
    assert int(wrong[-1].headers["retry-after"]) > 0


def test_every_change_is_logged_and_the_log_never_changes(server: Registry) -> None:
    server.publish()
    server.client.post("/api/v1/packs/probe-pack/versions/1.0.0/yank", json={"reason": "x"}, headers=server.admin())
    with server.parts.database.read() as session:
        found = [(entry.action, entry.subject) for entry in entries(session)]
        assert entries(session, subject="pack/probe-pack", action="release.state")[0].details["before"] == "active"
    assert ("release.publish", "pack/probe-pack/1.0.0") in found
    assert ("release.state", "pack/probe-pack/1.0.0") in found
    assert ("token.create", "publisher/acme") in found
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"), server.parts.database.write() as session:
            session.execute(text(statement))
