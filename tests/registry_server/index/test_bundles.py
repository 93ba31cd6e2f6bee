"""Changes that bring their documents along: for clients, and for mirrors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import zstandard

from registry_client.index.documents import Document, Progress
from registry_client.index.local_copy import LocalCopy
from registry_client.index.refresh import refresh
from registry_server.errors import BadRequest, Damaged, Unavailable
from registry_server.index.bundles import MOST_BYTES, bundle
from registry_server.index.documents import compressed, prepare
from registry_server.index.upstream import Upstream, root_of
from sdk.registry import (
    CONFIG_PATH,
    SNAPSHOT_PATH,
    Pack,
    bundle_path,
    changes_page_path,
    decode_bundle,
    digest,
    encode_changes,
    encode_pack,
    pack_path,
    pinned_pack_path,
)
from tests.support.registry import Registry
from tests.support.registry_client import release
from tests.support.registry_folder import RegistryFolder

PACKS = ("pack-a", "pack-b", "pack-c")
PLAIN = {"Accept-Encoding": "identity"}


def asked(server: Registry, since: int) -> bytes:
    answer = server.client.get("/" + bundle_path(since), headers=PLAIN)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return answer.content


def current(server: Registry, pack_id: str) -> bytes:
    return server.client.get("/" + pack_path(pack_id)).content


def test_changes_bring_the_documents_they_led_to(server: Registry) -> None:
    for name in ("Pack_A", "pack-b", "pack-a"):
        server.publish(name, "2.0.0" if name == "pack-a" else "1.0.0", nodes=[f"Node {name[-1]}"])
    changes, documents = decode_bundle(asked(server, 0))
    assert [change.serial for change in changes] == [1, 2, 3]
    assert list(documents.values()) == [current(server, "pack-b"), current(server, "pack-a")]
    assert set(documents) == {change.digest for change in changes[1:]}
    changes, documents = decode_bundle(asked(server, 2))
    assert ([change.serial for change in changes], list(documents.values())) == ([3], [current(server, "pack-a")])
    assert decode_bundle(asked(server, 3)) == ((), {})


def test_a_removed_pack_brings_no_document(server: Registry) -> None:
    server.publish()
    server.client.delete("/publishers/acme/nodes/probe-pack", headers=server.admin())
    changes, documents = decode_bundle(asked(server, 0))
    assert (changes[-1].kind, documents) == ("removed", {})


def test_clients_that_read_zstd_get_it(server: Registry) -> None:
    server.publish()
    plain = server.client.get("/" + bundle_path(0), headers=PLAIN)
    answer = server.client.get("/" + bundle_path(0), headers={"Accept-Encoding": "gzip, zstd;q=0.9"})
    assert answer.headers["content-encoding"] == "zstd"
    assert answer.headers["vary"] == "accept-encoding"
    assert zstandard.decompress(answer.content) == plain.content
    assert int(answer.headers["content-length"]) < len(plain.content)
    assert answer.headers["etag"] != plain.headers["etag"]
    for headers in ({"Accept-Encoding": "zstd"}, PLAIN):
        etag = (answer if headers != PLAIN else plain).headers["etag"]
        again = server.client.get("/" + bundle_path(0), headers={**headers, "If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("accepted", ["gzip, zstd;q=0", "zstd; q=0.0", "identity", ""])
def test_clients_that_refuse_zstd_do_not_get_it(shared_server: Registry, accepted: str) -> None:
    answer = shared_server.client.get("/" + bundle_path(0), headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers


def test_a_compressed_document_keeps_its_other_headers() -> None:
    document = prepare(b"x" * 100, "name", "2026-01-02T03:04:05.000000Z")
    made = compressed(document)
    assert zstandard.decompress(made.body) == document.body
    assert dict(made.headers)[b"content-length"] == str(len(made.body)).encode()
    assert dict(made.short)[b"etag"] == b'"name-zstd"'
    assert dict(made.short)[b"last-modified"] == dict(document.short)[b"last-modified"]


@pytest.mark.parametrize("since", ["abc", "-1", "9" * 16, "٣"])
def test_a_serial_that_is_none_is_refused(shared_server: Registry, since: str) -> None:
    assert shared_server.client.get("/index/changes", params={"since": since, "documents": "1"}).status_code == 400


def test_a_bundle_ends_where_its_documents_are_large_enough() -> None:
    changes = [(serial, "published", f"p-{serial}", "1", "d", "2026") for serial in range(1, 501)]

    def rows(_query: str, *values: object) -> list[Any]:
        return [(b"x" * (MOST_BYTES // 150),) for _ in values[::2]]

    taken, documents = decode_bundle(bundle(changes, rows))
    assert [change.serial for change in taken] == list(range(1, 201))
    assert len(documents) == 1  # all alike, so all of one digest


class Watched:
    """A server's documents: notes what is asked for, and may give something else."""

    def __init__(self, server: Registry, instead: Callable[[str, bytes], bytes] = lambda _path, body: body) -> None:
        self.url, self.asked = "http://testserver", list[str]()
        self._server, self._instead = server, instead

    def get(self, path: str, etag: str = "") -> Document | None:
        self.asked.append(path)
        found = self._server.client.get(f"/{path}", headers={**PLAIN, "If-None-Match": etag})
        return Document(self._instead(path, found.content), found.headers["etag"]) if found.status_code == 200 else None

    def download(self, url: str, target: IO[bytes], progress: Progress) -> None:
        raise NotImplementedError("no test downloads archives")


def test_a_client_is_brought_up_to_date_by_two_requests(server: Registry, tmp_path: Path) -> None:
    for name in ("pack-a", "pack-b"):
        server.publish(name, nodes=[f"Node {name}"])
    documents = Watched(server)
    copy = LocalCopy(tmp_path, documents.url)
    refresh(copy, documents, whole=True)
    server.publish("pack-a", "2.0.0", nodes=["Node pack-a"])
    server.publish("pack-c", nodes=["Node c"])
    documents.asked.clear()
    refresh(copy, documents, whole=True)
    assert documents.asked == [CONFIG_PATH, bundle_path(2)]
    assert (copy.serial, copy.digests(PACKS)) == (4, {name: digest(current(server, name)) for name in PACKS})


def test_changes_that_do_not_fit_in_one_answer_come_in_several(
    server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry_server.index.reader.MOST_BUNDLED", 2)
    for version, name in enumerate((*PACKS, *PACKS), 1):
        server.publish(name, f"{version}.0", nodes=[f"Node {name}"])
    documents = Watched(server)
    copy = LocalCopy(tmp_path, documents.url)
    refresh(copy, documents, whole=True)
    assert documents.asked == [CONFIG_PATH, *(bundle_path(since) for since in (0, 2, 4))]
    assert copy.digests(PACKS) == {name: digest(current(server, name)) for name in PACKS}


def without_documents(path: str, body: bytes) -> bytes:
    """What a server answers that does not know of bundles."""
    return body.partition(b"\n")[0] if "documents=1" in path else body


def with_others(path: str, body: bytes) -> bytes:
    """A bundle whose documents are not the announced ones."""
    return body.replace(b"A pack for probing", b"Another pack, alas") if "documents=1" in path else body


@pytest.mark.parametrize("instead", [without_documents, with_others])
def test_documents_that_a_bundle_lacks_are_fetched_one_by_one(
    server: Registry, tmp_path: Path, instead: Callable[[str, bytes], bytes]
) -> None:
    for name in PACKS:
        server.publish(name, nodes=[f"Node {name}"])
    documents = Watched(server, instead)
    copy = LocalCopy(tmp_path, documents.url)
    refresh(copy, documents, whole=True)
    wanted = {name: digest(current(server, name)) for name in PACKS}
    assert copy.digests(PACKS) == wanted
    assert set(documents.asked[2:]) == {pinned_pack_path(name, wanted[name]) for name in PACKS}


@pytest.fixture
def upstream(server: Registry, tmp_path: Path) -> Upstream:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = server.client.get(request.url.raw_path.decode(), headers=PLAIN)
        return httpx.Response(asked.status_code, content=asked.content)

    return Upstream("http://up.test/", httpx.Client(transport=httpx.MockTransport(answer)), tmp_path)


def test_a_mirror_reads_the_newest_state_of_every_changed_pack(server: Registry, upstream: Upstream) -> None:
    for version, name in enumerate((*PACKS, "pack-a"), 1):
        server.publish(name, f"{version}.0", nodes=[f"Node {name}"])
    server.client.delete("/publishers/acme/nodes/pack-c", headers=server.admin())
    found = list(upstream.changed(upstream.config(), 0))
    assert [(pack.id, pack.releases[-1].version) for pack in found] == [("pack-a", "4.0"), ("pack-b", "2.0")]
    assert list(upstream.changed(upstream.config(), upstream.config().serial)) == []


@pytest.fixture
def folder(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "files")
    for version in ("1.0", "2.0"):
        made.publish("pack-a", release(version))
    made.publish("pack-b", release("1.0"))
    return made


@pytest.fixture
def exported(folder: RegistryFolder, tmp_path: Path) -> Upstream:
    def answer(request: httpx.Request) -> httpx.Response:
        file = folder.root / request.url.path.lstrip("/")
        return httpx.Response(200, content=file.read_bytes()) if file.is_file() else httpx.Response(404)

    return Upstream("http://up.test/", httpx.Client(transport=httpx.MockTransport(answer)), tmp_path)


def test_a_mirror_reads_an_export_document_by_document(folder: RegistryFolder, exported: Upstream) -> None:
    found = {pack.id: pack for pack in exported.changed(exported.config(), 0)}
    assert found == {pack.id: pack for pack in folder.packs.values()}


def test_a_mirror_takes_the_pack_as_it_is_now_where_former_states_are_not_kept(
    folder: RegistryFolder, exported: Upstream
) -> None:
    (folder.root / pinned_pack_path("pack-a", folder.changes[1].digest)).unlink()
    for path in (pinned_pack_path("pack-b", folder.changes[2].digest), pack_path("pack-b")):
        (folder.root / path).unlink()
    assert [pack.id for pack in exported.changed(exported.config(), 0)] == ["pack-a"]


def test_a_mirror_refuses_a_document_that_is_not_the_announced_one(folder: RegistryFolder, exported: Upstream) -> None:
    folder.write(pinned_pack_path("pack-b", folder.changes[2].digest), encode_pack(Pack(id="pack-b")))
    with pytest.raises(Damaged, match="pack-b is not what its digest says"):
        list(exported.changed(exported.config(), 0))


def test_a_mirror_says_what_is_wrong_with_the_other_registry(folder: RegistryFolder, exported: Upstream) -> None:
    folder.write_snapshot()
    (folder.root / SNAPSHOT_PATH).write_bytes(b"no snapshot")
    with pytest.raises(Damaged, match="is no snapshot"):
        list(exported.changed(exported.config(), 0))
    (folder.root / SNAPSHOT_PATH).unlink()
    with pytest.raises(Unavailable, match="404"):
        list(exported.changed(exported.config(), 0))
    (folder.root / CONFIG_PATH).unlink()
    with pytest.raises(Unavailable, match="no such document"):
        exported.config()
    for body, said in ((b"[]", "no registry of ours"), (b'{"format":9,"serial":1}', "index of format 9")):
        folder.write(CONFIG_PATH, body)
        with pytest.raises(BadRequest, match=said):
            exported.config()


def test_a_mirror_goes_on_from_the_change_up_to_which_the_snapshot_itself_goes(
    folder: RegistryFolder, exported: Upstream
) -> None:
    folder.write_snapshot()
    old = (folder.root / SNAPSHOT_PATH).read_bytes()
    folder.publish("pack-c", release("1.0"))
    folder.write_snapshot()
    folder.write(SNAPSHOT_PATH, old)  # as a proxy may keep it
    assert [pack.id for pack in exported.changed(exported.config(), 0)] == ["pack-a", "pack-b", "pack-c"]


def test_a_mirror_refuses_a_snapshot_that_was_cut_off(folder: RegistryFolder, exported: Upstream) -> None:
    folder.write_snapshot()
    lines = zstandard.decompress((folder.root / SNAPSHOT_PATH).read_bytes()).splitlines(keepends=True)
    folder.write(SNAPSHOT_PATH, zstandard.compress(b"".join(lines[:-1])))
    with pytest.raises(Damaged, match="holds 1 packs, and says that there are 2"):
        list(exported.changed(exported.config(), 0))


@pytest.mark.parametrize("kept", [(), (0, 2), (1, 2)])
def test_a_mirror_does_not_pass_over_changes_that_are_missing(
    folder: RegistryFolder, exported: Upstream, kept: tuple[int, ...]
) -> None:
    folder.write(changes_page_path(1), encode_changes([folder.changes[number] for number in kept]))
    with pytest.raises(Damaged, match="changes after 0 are missing"):
        list(exported.changed(exported.config(), 0))


@pytest.mark.parametrize("address", ["", "here", "ftp://host", "http://"])
def test_what_is_no_address_can_not_be_mirrored(address: str) -> None:
    with pytest.raises(BadRequest, match="no address"):
        root_of(address)
