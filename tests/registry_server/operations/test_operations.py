"""Health, backups, verification, the catalogue, mirrors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from registry_server.errors import BadRequest, Conflict, Damaged
from registry_server.index.mirror import Mirror
from registry_server.operations.backup import backup, restore
from registry_server.operations.catalogue import import_catalogue, read_catalogue
from registry_server.operations.logs import JsonLines
from registry_server.operations.verify import verify
from registry_server.settings import Settings
from sdk.registry import pack_path
from tests.support.registry import Registry, registry
from tests.support.registry_packs import pack


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Registry]:
    """Another registry, always on SQLite."""
    with registry(Settings(data=tmp_path / "second", writes_per_minute=0)) as found:
        yield found


def test_health_readiness_and_numbers(server: Registry) -> None:
    server.publish()
    server.client.get("/index/config.json")
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert server.client.get("/readyz").json() == {"status": "ok", "database": "ok", "storage": "ok"}
    page = server.client.get("/metrics").text
    assert 'registry_answers_total{part="uploads"' not in page
    assert 'registry_answers_total{part="api",status="201"} 1.0' in page
    assert 'registry_answers_total{part="index",status="200"} 1.0' in page
    assert "registry_serial 1.0" in page


def test_a_storage_that_fails_makes_the_registry_not_ready(server: Registry, tmp_path: Path) -> None:
    storage = tmp_path / "data" / "storage"
    storage.rmdir() if storage.exists() else None
    storage.write_text("in the way")
    answer = server.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "ok"
    assert "can't be used" in answer.json()["storage"]


def test_log_lines_are_json_without_signatures(server: Registry, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    address = server.announce().json()["signedUrl"]
    server.put(address, pack())
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    asked = [line for line in lines if line["logger"] == "registry_server.requests"]
    assert {"method": "PUT", "status": 200}.items() <= asked[-1].items()
    assert "signature" not in json.dumps(asked)


def test_what_was_saved_comes_back_also_into_another_database(
    server: Registry, second: Registry, tmp_path: Path
) -> None:
    server.publish(nodes=["A", "B"])
    server.publish("other-pack", nodes=["C"])
    file = tmp_path / "backup.tar"
    saved = backup(server.parts.database, server.parts.storage, server.root / "secret", file)
    assert (saved.archives, saved.missing) == (2, ())
    assert not file.stat().st_mode & 0o077, "the secret in it is for nobody else"
    with pytest.raises(Conflict, match="there already"):
        backup(server.parts.database, server.parts.storage, server.root / "secret", file)
    parts = second.parts
    restored = restore(parts.database, parts.storage, parts.search, second.root / "secret", file)
    assert (restored.rows, restored.archives) == (saved.rows, saved.archives)
    path = "/" + pack_path("probe-pack")
    assert second.client.get(path).content == server.client.get(path).content
    assert second.client.get("/api/v1/search?q=probe").json()["total"] == 2
    assert second.client.get("/downloads/other-pack/1.0.0/node.zip").status_code == 200
    assert second.upload(pack(version="2.0.0", nodes=["A"]), server.publisher()).status_code == 201
    with pytest.raises(Conflict, match="not empty"):
        restore(parts.database, parts.storage, parts.search, second.root / "secret", file)


def test_a_backup_that_was_cut_off_brings_back_nothing(server: Registry, second: Registry, tmp_path: Path) -> None:
    server.publish()
    file = tmp_path / "backup.tar"
    backup(server.parts.database, server.parts.storage, server.root / "secret", file)
    file.write_bytes(file.read_bytes()[:3000])
    parts = second.parts
    with pytest.raises((Damaged, BadRequest)):
        restore(parts.database, parts.storage, parts.search, second.root / "secret", file)
    assert second.client.get("/nodes").json()["total"] == 0


def test_verification_names_what_is_lost_changed_or_stray(server: Registry) -> None:
    first, second = server.publish(), server.publish(version="2.0.0")
    parts = server.parts
    assert verify(parts.database, parts.storage).faults == ()
    root = server.root / "storage"
    (root / first["url"].removeprefix("http://testserver/")).unlink()
    (root / second["url"].removeprefix("http://testserver/")).write_bytes(b"other bytes")
    stray = root / "archives" / "00" / "stray.zip"
    stray.parent.mkdir()
    stray.touch()
    report = verify(parts.database, parts.storage, remove_strays=True)
    assert len(report.faults) == 2
    assert "is lost" in report.faults[0] + report.faults[1]
    assert report.strays == ("archives/00/stray.zip",)
    assert not stray.exists()


def test_the_catalogue_keeps_names_and_nodes_for_their_packs(server: Registry, tmp_path: Path) -> None:
    listing = {
        "custom_nodes": [
            {"author": "a", "title": "One", "id": "one", "reference": "https://git.example/a/One", "files": []},
            {
                "author": "b",
                "title": "Two",
                "reference": "https://git.example/b/Two.git",
                "files": [],
                "description": "d",
            },
            {"author": "c", "title": "Two again", "reference": "https://git.example/c/Two", "files": []},
            "nonsense",
        ]
    }
    mapped = {
        "https://git.example/a/One": [["Shared", "Mine", "KSampler"], {"title_aux": "One"}],
        "https://git.example/b/Two": [["Shared", "Its"], {}],
    }
    (tmp_path / "list.json").write_text(json.dumps(listing))
    (tmp_path / "map.json").write_text(json.dumps(mapped))
    seeds = read_catalogue(tmp_path / "list.json", tmp_path / "map.json")
    report = import_catalogue(server.parts.database, server.parts.indexer, server.clock(), seeds)
    assert (report.packs, report.owned, report.contested, report.unusable) == (3, 3, 1, 1)
    found = server.client.get("/api/v1/nodes/Shared").json()
    assert (found["owner"], [one["pack"] for one in found["claimants"]]) == ("one", ["one", "Two"])
    assert server.upload(pack("fresh", nodes=["Its"])).status_code == 409
    kept = server.upload(pack("two", nodes=["Own"]))
    assert kept.status_code == 403
    assert "git.example/b/Two" in kept.json()["message"]
    assert server.client.get("/nodes/c.Two").json()["name"] == "Two again"
    with server.parts.database.write() as session:
        from registry_server.accounts.identity import OPERATOR

        server.parts.packs.give(session, OPERATOR, server.clock(), "two", "acme")
    assert server.upload(pack("two", nodes=["Its"])).status_code == 201
    again = import_catalogue(server.parts.database, server.parts.indexer, server.clock(), seeds)
    assert (again.packs, len(again.skipped)) == (0, 3)


def mirror_of(here: Registry, there: Registry) -> Mirror:
    transport = httpx.MockTransport(lambda request: _answer(there, request))
    return replace(here.parts.mirror, client=httpx.Client(transport=transport))


def _answer(there: Registry, request: httpx.Request) -> httpx.Response:
    found = there.client.get(request.url.raw_path.decode())
    return httpx.Response(found.status_code, content=found.content)


def test_a_mirror_brings_documents_at_once_and_archives_when_asked(server: Registry, second: Registry) -> None:
    server.publish(nodes=["A"])
    server.publish("other-pack", nodes=["B"])
    second.publish("other-pack", "9.0.0", nodes=["Own"])
    mirror = mirror_of(second, server)
    report = mirror.sync("http://upstream.test")
    assert (report.packs, report.releases, report.skipped) == (1, 1, ("other-pack",))
    theirs = server.client.get("/api/v1/packs/probe-pack").json()["releases"]
    assert second.client.get("/api/v1/packs/probe-pack").json()["releases"] == theirs
    assert second.client.get("/api/v1/nodes/A").json()["owner"] == "probe-pack"
    assert second.upload(pack(version="5.0.0", nodes=["X"])).status_code == 409
    with second.parts.database.read() as session:
        from registry_server.packs.repository import pack as find
        from registry_server.packs.repository import releases

        row = find(session, "probe-pack")
        assert row is not None
        release = releases(session, row.id)[0]
    assert second.parts.storage.size(release.url) is None
    mirror.pull(release)
    assert second.client.get(f"/{release.url}").content == server.client.get(f"/{release.url}").content
    server.client.post("/api/v1/packs/probe-pack/versions/1.0.0/yank", json={"reason": "x"}, headers=server.admin())
    assert mirror.sync("http://upstream.test").packs == 1
    assert second.client.get("/api/v1/packs/probe-pack").json()["releases"][0]["state"] == "yanked"
    assert mirror.sync("http://upstream.test").packs == 0


def test_a_mirror_refuses_an_archive_that_is_not_the_announced_one(server: Registry, second: Registry) -> None:
    done = server.publish(nodes=["A"])
    mirror = mirror_of(second, server)
    mirror.sync("http://upstream.test")
    (server.root / "storage" / done["url"].removeprefix("http://testserver/")).write_bytes(b"x" * done["size"])
    with second.parts.database.read() as session:
        from registry_server.packs.repository import served_releases

        release = served_releases(session, ())[0]
    with pytest.raises(Damaged):
        mirror.pull(release)
    assert list(second.parts.storage.keys("archives/")) == []
