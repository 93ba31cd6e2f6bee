"""Local copies of registries: complete, incremental, offline, and never mixed."""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import zstandard

from registry_client.errors import BadRequirement, InstallFailed, Mismatch, NoRegistry, NotThere, Unreachable
from registry_client.index import documents
from registry_client.index.documents import open_documents
from registry_client.index.local_copy import LocalCopy
from registry_client.index.registries import Registries
from registry_client.settings import RegistrySettings
from sdk.commands import ExitCode
from sdk.registry import (
    CONFIG_PATH,
    SNAPSHOT_PATH,
    BadIndexDocument,
    Change,
    NodeClaim,
    State,
    encode_changes,
    pack_path,
    pinned_pack_path,
)
from tests.support.registry_client import pack, release
from tests.support.registry_folder import RegistryFolder


@pytest.fixture
def folder(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    for name in ("a", "b", "c"):
        made.publish(name, release("1.0", nodes=(NodeClaim(id=f"Node {name}", aliases=(f"Old {name}",)),)))
    return made


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with ETags, and counts what is asked for."""

    asked: Counter[str]

    def do_GET(self) -> None:
        self.asked[self.path.partition("?")[0]] += 1
        file = Path(self.directory) / self.path.lstrip("/")
        if file.is_file() and self.headers.get("If-None-Match") == f'"{file.stat().st_mtime_ns}"':
            self.send_response(304)
            self.end_headers()
            return
        super().do_GET()

    def end_headers(self) -> None:
        file = Path(self.directory) / self.path.lstrip("/")
        if file.is_file():
            self.send_header("ETag", f'"{file.stat().st_mtime_ns}"')
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def served(folder: RegistryFolder) -> Iterator[tuple[str, Counter[str]]]:
    asked: Counter[str] = Counter()
    handler = type("Handler", (_Handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder.root)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers so to each path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def registries(tmp_path: Path, *urls: str, **more: Any) -> Registries:
    settings = [RegistrySettings(f"r{number}", url) for number, url in enumerate(urls)]
    return Registries(settings, tmp_path / "cache", **more)


def versions(found: Registries, pack_id: str) -> list[str]:
    listing = found.pack(pack_id)
    return [r.version for r in listing.pack.releases] if listing else []


def test_a_single_pack_is_fetched_without_the_whole_index(served: tuple[str, Counter[str]], tmp_path: Path) -> None:
    url, asked = served
    found = registries(tmp_path, url)
    found.refresh()
    assert versions(found, "A") == ["1.0"]
    assert found.pack("nothing") is None
    assert not any("changes" in path or "snapshot" in path for path in asked)
    assert versions(found, "a") == ["1.0"]
    assert sum(count for path, count in asked.items() if path.endswith("/a.json")) == 1


def test_a_whole_index_is_kept_and_only_changes_are_fetched(
    served: tuple[str, Counter[str]], folder: RegistryFolder, tmp_path: Path
) -> None:
    url, asked = served
    registries(tmp_path, url).refresh(whole=True)
    asked.clear()
    registries(tmp_path, url).refresh(whole=True)
    assert asked == {f"/{CONFIG_PATH}": 1}
    folder.publish("b", release("2.0"))
    folder.remove("c")
    asked.clear()
    found = registries(tmp_path, url)
    found.refresh(whole=True)
    assert versions(found, "b") == ["1.0", "2.0"]
    assert found.pack("c") is None
    assert versions(found, "a") == ["1.0"]
    assert sum(asked.values()) == 3  # configuration, changes, and the one document that changed


def test_the_first_time_everything_comes_from_the_snapshot(
    served: tuple[str, Counter[str]], folder: RegistryFolder, tmp_path: Path
) -> None:
    url, asked = served
    folder.write_snapshot()
    folder.publish("d", release("1.0"))
    found = registries(tmp_path, url)
    found.refresh(whole=True)
    assert versions(found, "a") == ["1.0"]
    assert versions(found, "d") == ["1.0"]
    assert asked[f"/{SNAPSHOT_PATH}"] == 1
    assert sum("packs/" in path for path in asked) == 1


def test_many_changes_are_read_page_by_page(folder: RegistryFolder, tmp_path: Path) -> None:
    for _ in range(2):
        last = folder.packs["a"]
        folder.changes += [
            Change(serial=len(folder.changes) + 1 + n, kind="metadata", pack="a", digest="0" * 64) for n in range(1000)
        ]
        folder.put(replace(last, description="new"))
    for page in range(2):
        from sdk.registry import encode_changes

        folder.write(f"index/changes/{page}.json", encode_changes(folder.changes[page * 1000 : page * 1000 + 1000]))
    found = registries(tmp_path, folder.url)
    found.refresh(whole=True)
    listing = found.pack("a")
    assert listing is not None
    assert listing.pack.description == "new"


def test_a_folder_of_files_is_a_registry(folder: RegistryFolder, tmp_path: Path) -> None:
    found = registries(tmp_path, folder.url)
    found.refresh(whole=True)
    assert versions(found, "b") == ["1.0"]
    assert [listing.pack.id for listing in found.providers("Node b")] == ["b"]
    assert [listing.pack.id for listing in found.providers("Old b")] == ["b"]
    assert [line.id for line in found.search("B")] == ["b"]
    assert sorted(claim.id for claim, _ in found.claims()) == ["Node a", "Node b", "Node c"]


def test_without_a_network_what_is_kept_is_used_and_its_age_said(
    folder: RegistryFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    shutil.rmtree(folder.root)
    with caplog.at_level(logging.WARNING):
        found = registries(tmp_path, folder.url)
        found.refresh(whole=True)
    assert versions(found, "a") == ["1.0"]
    assert f"using what {folder.url} said" in caplog.text


def test_what_is_kept_is_used_again_for_the_reason_it_was_used_for(
    folder: RegistryFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    shutil.rmtree(folder.root)
    with caplog.at_level(logging.WARNING):
        found = registries(tmp_path, folder.url)
        found.refresh(whole=True)
        found.refresh()
    assert ["there is no such folder" in record.getMessage() for record in caplog.records] == [True, True]


def test_offline_asks_nobody(served: tuple[str, Counter[str]], tmp_path: Path) -> None:
    url, asked = served
    registries(tmp_path, url).refresh(whole=True)
    asked.clear()
    found = registries(tmp_path, url, offline=True)
    found.refresh()
    assert versions(found, "a") == ["1.0"]
    assert not asked


def test_offline_a_registry_that_was_never_fetched_is_told_to_be_asked_once(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"never fetched as a whole\. Try again without --offline\.$"):
        registries(tmp_path, "http://127.0.0.1:9", offline=True).refresh()


def test_a_registry_that_was_never_reached_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="there is no such folder") as caught:
        registries(tmp_path, (tmp_path / "none").as_uri()).refresh()
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    with pytest.raises(Unreachable):
        registries(tmp_path, "http://127.0.0.1:9").refresh()
    with pytest.raises(NoRegistry):
        registries(tmp_path)


def test_a_pack_comes_wholly_from_the_first_registry_that_has_it(folder: RegistryFolder, tmp_path: Path) -> None:
    stranger = RegistryFolder(tmp_path / "stranger")
    stranger.publish("a", release("99.0", nodes=(NodeClaim(id="Node a"),)))
    stranger.publish("z", release("1.0"))
    found = registries(tmp_path, folder.url, stranger.url)
    found.refresh(whole=True)
    assert versions(found, "a") == ["1.0"]
    assert versions(found, "z") == ["1.0"]
    assert [listing.registry for listing in found.providers("Node a")] == [folder.url]


def test_a_pinned_pack_comes_from_its_registry_alone(folder: RegistryFolder, tmp_path: Path) -> None:
    second = RegistryFolder(tmp_path / "second")
    second.publish("a", release("2.0"))
    found = registries(tmp_path, folder.url, second.url, pins={"A": "r1", "b": "r1"})
    found.refresh()
    assert versions(found, "a") == ["2.0"]
    assert found.pack("b") is None
    with pytest.raises(BadRequirement, match="no registry 'r9'"):
        registries(tmp_path, folder.url, pins={"a": "r9"})


def test_offline_a_pack_is_not_taken_from_another_registry_because_the_first_was_never_asked(
    served: tuple[str, Counter[str]], tmp_path: Path
) -> None:
    url, _ = served
    second = RegistryFolder(tmp_path / "second")
    second.publish("b", release("66.0"))
    online = registries(tmp_path, url, second.url)
    online.refresh()
    online.pack("a")
    offline = registries(tmp_path, url, second.url, offline=True)
    offline.refresh()
    assert versions(offline, "a") == ["1.0"]
    with pytest.raises(Unreachable, match="no other registry's is taken"):
        offline.pack("b")


def test_states_that_change_arrive(folder: RegistryFolder, tmp_path: Path) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    old = folder.packs["a"]
    folder.put(replace(old, releases=(replace(old.releases[0], state=State.YANKED, reason="bad"),)), "state", "1.0")
    found = registries(tmp_path, folder.url)
    found.refresh(whole=True)
    listing = found.pack("a")
    assert listing is not None
    assert listing.pack.releases[0].state is State.YANKED


def test_a_document_that_is_not_the_announced_one_changes_nothing(folder: RegistryFolder, tmp_path: Path) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    folder.publish("a", release("2.0"))
    folder.write(pinned_pack_path("a", folder.changes[-1].digest), b"{}")
    found = registries(tmp_path, folder.url)
    with pytest.raises(Mismatch):
        found.refresh(whole=True)
    assert versions(found, "a") == ["1.0"]


@pytest.mark.parametrize("content", [b"no json", b'{"format": 99, "serial": 1}', b"[]"])
def test_a_damaged_or_newer_index_is_refused(folder: RegistryFolder, tmp_path: Path, content: bytes) -> None:
    folder.write(CONFIG_PATH, content)
    with pytest.raises(BadIndexDocument):
        registries(tmp_path, folder.url).refresh()


def test_a_feed_with_a_hole_is_refused_and_nothing_is_applied(folder: RegistryFolder, tmp_path: Path) -> None:
    (folder.root / "index/changes/0.json").unlink()
    with pytest.raises(BadIndexDocument, match="lacks the change 1"):
        registries(tmp_path, folder.url).refresh(whole=True)


def test_a_change_that_is_missing_in_between_is_refused(folder: RegistryFolder, tmp_path: Path) -> None:
    path = "index/changes/0.json"
    folder.write(path, encode_changes([folder.changes[0], folder.changes[2]]))
    with pytest.raises(BadIndexDocument, match="lacks the change 2"):
        registries(tmp_path, folder.url).refresh(whole=True)


def test_a_registry_that_was_set_back_and_then_breaks_off_leaves_the_copy_and_lets_no_other_registry_in(
    folder: RegistryFolder, tmp_path: Path
) -> None:
    other = RegistryFolder(tmp_path / "other", "other")
    other.publish("a", release("99.0"))
    registries(tmp_path, folder.url, other.url).refresh(whole=True)
    folder.write(CONFIG_PATH, b'{"format":1,"serial":2,"packs":2}')
    (folder.root / "index/changes/0.json").unlink()
    found = registries(tmp_path, folder.url, other.url)
    found.refresh(whole=True)
    assert versions(found, "a") == ["1.0"]


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_snapshot_that_was_cut_off_is_refused_and_the_copy_stays(
    folder: RegistryFolder, tmp_path: Path, cut: int
) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    folder.publish("d", release("1.0", reason="x" * 1000))
    folder.write_snapshot()
    lines = zstandard.decompress((folder.root / SNAPSHOT_PATH).read_bytes()).splitlines(keepends=True)
    packed = zstandard.compress(b"".join(lines[:-1]))
    folder.write(SNAPSHOT_PATH, packed[: len(packed) - cut])
    fresh = registries(tmp_path / "fresh", folder.url)
    with pytest.raises(BadIndexDocument):
        fresh.refresh(whole=True)
    folder.write(SNAPSHOT_PATH, b"no zstandard at all")
    with pytest.raises(BadIndexDocument, match="is no snapshot"):
        fresh.refresh(whole=True)
    assert versions(registries(tmp_path, folder.url), "a") == ["1.0"]


def test_an_answer_that_nothing_has_changed_means_nothing_to_who_has_nothing(
    folder: RegistryFolder, tmp_path: Path
) -> None:
    with answering(lambda path: (304, b"")) as address, pytest.raises(Unreachable, match="it answered 304"):
        registries(tmp_path, address).refresh(whole=True)


@pytest.mark.parametrize(
    ("body", "why"), [(b'{"message":"a 1.0 is in quarantine: it steals"}', "it steals"), (b"<html>", "answered 403")]
)
def test_an_archive_that_is_not_given_out_comes_with_the_registrys_reason(
    tmp_path: Path, body: bytes, why: str
) -> None:
    with (
        answering(lambda path: (403, body)) as address,
        (tmp_path / "out").open("wb") as out,
        pytest.raises(NotThere, match=f"does not give out .*{why}"),
    ):
        open_documents(address).download("a.zip", out, lambda count: None)


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 1000)
    with answering(lambda path: (200, b"x" * 5000)) as address, pytest.raises(Unreachable, match="larger than 1,000"):
        open_documents(address).get("index/config.json")


def test_half_characters_and_ids_that_are_paths_are_refused(folder: RegistryFolder, tmp_path: Path) -> None:
    for document in (b'{"id":"a","name":"\\ud800"}', b'{"id":"../a"}'):
        folder.write(pack_path("a"), document)
        with pytest.raises(BadIndexDocument):
            registries(tmp_path, folder.url).pack("a")


@pytest.mark.parametrize("url", ["http://[", "file:///x%00y", "a%00b", "/dev"])
def test_addresses_of_archives_that_are_none_are_told(folder: RegistryFolder, tmp_path: Path, url: str) -> None:
    with (tmp_path / "out").open("wb") as out, pytest.raises(Unreachable):
        open_documents(folder.url).download(url, out, lambda count: None)
    with (tmp_path / "out").open("wb") as out, pytest.raises((Unreachable, NotThere)):
        open_documents("http://127.0.0.1:1").download(url, out, lambda count: None)


def test_a_clock_that_was_set_back_makes_no_copy_younger_than_new(folder: RegistryFolder, tmp_path: Path) -> None:
    copy = LocalCopy(tmp_path, folder.url)
    copy.remember(checked=str(time.time() + 1e6))
    assert copy.age == 0


def test_a_registry_on_the_network_can_not_name_files_of_this_machine(
    served: tuple[str, Counter[str]], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    with (tmp_path / "out").open("wb") as out, pytest.raises(Unreachable, match="may not name files"):
        open_documents(served[0]).download(secret.as_uri(), out, lambda count: None)


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(Unreachable, match="must begin with"):
        open_documents("ftp://example")


def test_search_wants_every_word_and_takes_wildcards_for_letters(tmp_path: Path) -> None:
    folder = RegistryFolder(tmp_path / "registry")
    for name, about in (("tint", "Colours pictures"), ("tone", "100% grey"), ("other_tint", "")):
        folder.put(replace(pack(name, release("1")), description=about))
    found = registries(tmp_path, folder.url)
    found.refresh(whole=True)
    assert [line.id for line in found.search("tint")] == ["tint", "other_tint"]
    assert [line.id for line in found.search("pictures TINT")] == ["tint"]
    assert [line.id for line in found.search("%")] == ["tone"]
    assert found.search("nothing") == []


def test_a_copy_that_is_damaged_says_which_file_to_delete(folder: RegistryFolder, tmp_path: Path) -> None:
    registries(tmp_path, folder.url).refresh(whole=True)
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(InstallFailed, match=file.name):
        registries(tmp_path, folder.url)


def test_nodes_are_found_by_parts_of_their_ids_and_a_pack_counts_once(tmp_path: Path) -> None:
    first = RegistryFolder(tmp_path / "first", "first")
    first.publish_pack("tone", "1.0", nodes=["LoadTone", "LoadToneBatch", "Other"])
    second = RegistryFolder(tmp_path / "second", "second")
    second.publish_pack("tone", "9.0", nodes=["LoadStolenTone"])
    second.publish_pack("hue", "1.0", nodes=["Load Hue_Tone"])
    found = registries(tmp_path, first.url, second.url)
    found.refresh(whole=True)
    assert [(line.id, nodes) for line, nodes in found.nodes_like("tone load")] == [
        ("tone", ["LoadTone", "LoadToneBatch"]),
        ("hue", ["Load Hue_Tone"]),
    ]
    assert [line.id for line, _ in found.nodes_like("e_t")] == ["hue"]
    assert found.nodes_like("") == []
    assert len(found.nodes_like("tone", 1)) == 1
