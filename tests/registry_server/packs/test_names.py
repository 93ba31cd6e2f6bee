"""New packs whose names would be taken for others'."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from registry_server.accounts.identity import OPERATOR
from registry_server.errors import NameTooSimilar
from registry_server.operations.catalogue import Seed, import_catalogue
from registry_server.packs.names import lookalike
from registry_server.packs.tables import PackRow
from registry_server.publishing.workflows import Workflow, register
from tests.support.registry import Registry
from tests.support.registry_packs import pack

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def seed(server: Registry, *slugs: str) -> None:
    seeds = [Seed(slug=slug, name=slug, author="", description="", repository="") for slug in slugs]
    assert import_catalogue(server.parts.database, server.parts.indexer, MOMENT, seeds).packs == len(slugs)


@pytest.mark.parametrize(
    ("one", "other"),
    [("my-pack", "mypack"), ("Tools", "t001s"), ("lill.I", "1111-1"), ("a-b.c_d", "abcd"), ("POOL", "p00l")],
)
def test_names_look_alike_without_separators_and_with_characters_that_are_mistaken(one: str, other: str) -> None:
    assert lookalike(one) == lookalike(other)


def test_names_that_differ_in_a_letter_do_not_look_alike() -> None:
    assert len({lookalike(name) for name in ("my-pack", "my-packs", "ny-pack", "my-pack-2", "my-back")}) == 5


@pytest.mark.parametrize("name", ["mytool", "my-t00l", "My.T-o-o-l", "my-tooI"])
def test_a_new_pack_that_looks_like_another_is_refused_by_name(server: Registry, name: str) -> None:
    server.publish("my-tool", nodes=["Tool"])
    answer = server.upload(pack(name, nodes=["Mine"], publisher="evil"), server.publisher("evil"))
    assert (answer.status_code, answer.json()["error"]) == (409, "NAME_TOO_SIMILAR")
    assert f"{name!r} is too similar to that of the pack 'my-tool'" in answer.json()["message"]
    announced = server.announce(name, publisher="evil")
    assert (announced.status_code, announced.json()["error"]) == (409, "NAME_TOO_SIMILAR")
    assert server.client.get(f"/api/v1/packs/{name}").status_code == 404
    assert len(list(server.parts.storage.keys("archives/"))) == 1


def test_of_two_announced_packs_that_look_alike_the_one_uploaded_first_wins(server: Registry) -> None:
    first = server.announce("my-tool").json()["signedUrl"]
    second = server.announce("mytool", publisher="evil").json()["signedUrl"]
    assert server.put(second, pack("mytool", publisher="evil")).status_code == 200
    assert server.put(first, pack("my-tool")).json()["error"] == "NAME_TOO_SIMILAR"


def test_packs_that_are_there_go_on_however_alike_they_look(server: Registry) -> None:
    seed(server, "my-tool", "mytool")
    with server.parts.database.write() as session:
        server.publisher("acme")
    with server.parts.database.write() as session:
        server.parts.packs.give(session, OPERATOR, MOMENT, "mytool", "acme")
    assert server.publish("mytool")["version"] == "1.0.0"
    assert server.publish("My_Tool".replace("_", ""), "1.1.0")["version"] == "1.1.0"
    with server.parts.database.read() as session:
        assert session.scalars(select(PackRow.lookalike)).all() == ["myt001", "myt001"]


def test_a_deleted_pack_is_still_taken_for_others(server: Registry) -> None:
    server.publish("my-tool")
    server.client.delete("/publishers/acme/nodes/my-tool", headers=server.admin())
    answer = server.upload(pack("mytool", publisher="evil"), server.publisher("evil"))
    assert answer.json()["error"] == "NAME_TOO_SIMILAR"


def test_a_workflow_can_not_be_registered_for_a_pack_to_come_that_looks_like_another(server: Registry) -> None:
    server.publish("my-tool")
    workflow = Workflow(issuer="https://example.com", repository="acme/mytool", workflow="publish.yml")
    with server.parts.database.write() as session, pytest.raises(NameTooSimilar):
        register(session, OPERATOR, MOMENT, publisher_id="acme", pack="mytool", workflow=workflow)
