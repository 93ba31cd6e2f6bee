"""The static index as clients read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import text

from registry_server.index.export import export
from registry_server.index.snapshot import refresh_snapshot
from registry_server.settings import Settings
from sdk.registry import (
    CONFIG_PATH,
    SNAPSHOT_PATH,
    decode_changes,
    decode_config,
    decode_pack,
    digest,
    manifest_path,
    pack_path,
    pinned_pack_path,
    schemas_path,
    shard,
)
from tests.support import postgres
from tests.support.registry import Registry, registry


def test_a_packs_document_is_named_by_its_digest(server: Registry) -> None:
    server.publish(nodes=["A", "B"])
    answer = server.client.get("/" + pack_path("Probe_Pack"))
    name = digest(answer.content)
    assert answer.headers["etag"] == f'"{name}"'
    assert answer.headers["cache-control"] == "public, no-cache"
    pinned = server.client.get("/" + pinned_pack_path("probe-pack", name))
    assert pinned.content == answer.content
    assert "immutable" in pinned.headers["cache-control"]
    manifest = server.client.get("/" + manifest_path(shard("probe-pack"))).json()
    assert manifest == {"probe-pack": name}
    record = decode_pack(answer.content)
    assert [claim.id for claim in record.releases[0].nodes] == ["A", "B"]
    assert record.owns == ("A", "B")
    schemas = server.client.get("/" + schemas_path(record.releases[0].schemas))
    assert digest(schemas.content) == record.releases[0].schemas
    assert set(schemas.json()) == {"A", "B"}


def test_what_a_client_has_already_is_not_sent_again(server: Registry) -> None:
    server.publish()
    for path in (CONFIG_PATH, pack_path("probe-pack"), "index/changes/0.json", "index/changes?since=0"):
        first = server.client.get("/" + path)
        assert first.status_code == 200
        again = server.client.get("/" + path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        by_date = server.client.get("/" + path, headers={"If-Modified-Since": first.headers["last-modified"]})
        assert by_date.status_code == 304
        head = server.client.head("/" + path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(first.content))


def test_a_change_is_seen_at_once(server: Registry) -> None:
    assert server.client.get("/index/config.json").json()["serial"] == 0
    server.publish()
    before = server.client.get("/" + pack_path("probe-pack"))
    server.client.post(
        "/api/v1/packs/probe-pack/versions/1.0.0/yank", json={"reason": "broken"}, headers=server.admin()
    )
    after = server.client.get("/" + pack_path("probe-pack"), headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert decode_pack(after.content).releases[0].reason == "broken"
    old = server.client.get("/" + pinned_pack_path("probe-pack", digest(before.content)))
    assert old.content == before.content


def test_the_change_feed_has_no_holes_and_starts_where_asked(server: Registry) -> None:
    for number in range(5):
        server.publish(version=f"1.{number}.0")
    server.client.post("/api/v1/packs/probe-pack/deprecate", json={"reason": "old"}, headers=server.admin())
    changes = decode_changes(server.client.get("/index/changes?since=0").content)
    assert [change.serial for change in changes] == [1, 2, 3, 4, 5, 6]
    assert [change.kind for change in changes] == ["published"] * 5 + ["metadata"]
    later = decode_changes(server.client.get("/index/changes?since=4").content)
    assert [change.serial for change in later] == [5, 6]
    assert decode_changes(server.client.get("/index/changes?since=6").content) == ()
    current = digest(server.client.get("/" + pack_path("probe-pack")).content)
    assert changes[-1].digest == current


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/index/changes?since=abc", 400),
        ("/index/changes?since=-1", 400),
        ("/index/changes/9.json", 404),
        ("/index/packs/00/nope.json", 404),
        ("/index/packs/00/../../secret", 404),
        ("/index/nope", 404),
        ("/index/schemas/00/" + "0" * 64 + ".json", 404),
        ("/index/snapshot.json.zst", 404),
    ],
)
def test_what_is_not_there_is_said_so(shared_server: Registry, path: str, status: int) -> None:
    assert shared_server.client.get(path).status_code == status


def test_the_snapshot_holds_the_whole_index(server: Registry) -> None:
    for number in range(3):
        server.publish(f"pack-{number}", nodes=[f"Node{number}"])
    settings = server.parts.settings
    serial = refresh_snapshot(server.parts.database, server.parts.storage, settings.name, settings.incoming, force=True)
    body = server.client.get("/" + SNAPSHOT_PATH).content
    lines = zstandard.ZstdDecompressor().stream_reader(body).read().splitlines()
    config = decode_config(lines[0])
    assert (config.serial, config.packs, config.snapshot_serial) == (serial, 3, 3)
    assert [decode_pack(line).id for line in lines[1:]] == ["pack-0", "pack-1", "pack-2"]
    assert server.client.get("/index/config.json").json()["snapshot_serial"] == 3


def test_an_export_is_the_same_as_the_server(server: Registry, tmp_path: Path) -> None:
    server.publish("pack-0", nodes=["A"])
    done = server.publish("pack-1", nodes=["B"])
    target = tmp_path / "www"
    report = export(server.parts.database, server.parts.storage, "files", target)
    assert (report.packs, report.archives, report.missing) == (2, 2, ())
    config = decode_config((target / CONFIG_PATH).read_bytes())
    assert (config.serial, config.api, config.snapshot_serial) == (2, "", 2)
    shared = [pack_path("pack-0"), manifest_path(shard("pack-1")), "index/changes/0.json", "custom-node-list.json"]
    for path in [*shared, done["url"].removeprefix("http://testserver/")]:
        assert (target / path).read_bytes() == server.client.get("/" + path).content, path
    first = {path: path.stat().st_mtime_ns for path in target.rglob("*.zip")}
    killed = target / "index" / f".{'0' * 16}-00000000-1.part"
    killed.write_text("half")
    os.utime(killed, (1, 1))
    assert export(server.parts.database, server.parts.storage, "files", target).archives == 0
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*.zip")} == first
    assert not killed.exists()
    assert not list(target.rglob(".*.part"))


def test_quarantined_archives_are_not_exported(server: Registry, tmp_path: Path) -> None:
    server.publish()
    body = {"status": "NodeVersionStatusFlagged"}
    server.client.put("/admin/nodes/probe-pack/versions/1.0.0", json=body, headers=server.admin())
    assert export(server.parts.database, server.parts.storage, "files", tmp_path / "www").archives == 0


def test_the_managers_channel_files_are_made_of_our_packs(server: Registry) -> None:
    server.publish(nodes=["A", "B"])
    listed = server.client.get("/custom-node-list.json").json()["custom_nodes"]
    assert [(one["id"], one["author"], one["install_type"]) for one in listed] == [("probe-pack", "Acme", "cnr")]
    mapped = server.client.get("/extension-node-map.json").json()
    own, _ = mapped.pop("https://github.com/comfyanonymous/ComfyUI")
    assert {"KSampler", "VAEDecode"} <= set(own)
    assert mapped == {"https://example.com/probe-pack": [["A", "B"], {"title_aux": "Probe Pack"}]}
    assert server.client.get("/model-list.json").json() == {"models": []}
    assert server.client.get("/alter-list.json").json() == {"items": []}
    assert server.client.get("/github-stats.json").json() == {}


def test_an_archive_is_given_out_whole_or_in_part(server: Registry) -> None:
    address = server.publish()["url"]
    whole = server.client.get(address)
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["content-length"] == str(len(whole.content))
    middle = server.client.get(address, headers={"Range": "bytes=10-19"})
    assert (middle.status_code, middle.content) == (206, whole.content[10:20])
    assert middle.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert server.client.get(address, headers={"Range": "bytes=-5"}).content == whole.content[-5:]
    assert server.client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert server.client.get(address, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert server.client.head(address).content == b""
    assert server.client.get(address.replace("archives/", "archives/x")).status_code == 404
    assert server.client.get("/nodes/probe-pack").json()["downloads"] == 1


def test_a_database_that_was_restarted_is_asked_over_a_new_connection(
    postgres_address: str, postgres_template: str, tmp_path: Path
) -> None:
    address = postgres.new_database(postgres_address, postgres_template)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    with registry(Settings(data=tmp_path / "data", database_url=address, writes_per_minute=0)) as server:
        server.publish()
        paths = ("/index/config.json", "/index/changes?since=0&documents=1", "/" + pack_path("probe-pack"), "/nodes")
        before = {path: server.client.get(path).content for path in paths}
        for path in paths:
            with server.parts.database.read() as session:
                session.execute(text(f"{others} pg_backend_pid()"))
            assert server.client.get(path).content == before[path], path
