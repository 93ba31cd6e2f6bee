"""Both kinds of storage behave alike; S3 is a real HTTP endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_server.errors import BadRequest, NotFound, Unavailable
from registry_server.settings import Settings
from registry_server.storage.locations import open_storage
from registry_server.storage.protocol import Storage
from tests.support.registry import registry


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3's protocol."""
    server = pytest.importorskip("moto.server", reason="an S3 endpoint is missing: run `pip install 'moto[server]'`")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(params=["file", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return (tmp_path / "storage").as_uri()
    import httpx

    endpoint = request.getfixturevalue("s3_endpoint")
    bucket = f"bucket-{abs(hash(str(tmp_path))) % 10**9}"
    httpx.put(f"{endpoint}/{bucket}").raise_for_status()
    return f"s3://{bucket}/some/prefix?endpoint={endpoint}&region=us-east-1"


@pytest.fixture
def storage(address: str) -> Storage:
    return open_storage(address, "key", "secret")


def put(storage: Storage, folder: Path, key: str, content: bytes) -> None:
    source = folder / "source"
    source.write_bytes(content)
    storage.put(key, source)


def test_what_was_put_can_be_read_from_anywhere_in_it(storage: Storage, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    put(storage, tmp_path, "archives/aa/x.zip", content)
    assert b"".join(storage.open("archives/aa/x.zip")) == content
    assert b"".join(storage.open("archives/aa/x.zip", 1000)) == content[1000:]
    assert storage.size("archives/aa/x.zip") == len(content)


def test_what_is_not_there_is_said_so_at_once(storage: Storage) -> None:
    assert storage.size("archives/nope") is None
    with pytest.raises(NotFound):
        storage.open("archives/nope")
    storage.delete("archives/nope")


def test_names_are_listed_in_order_and_removed(storage: Storage, tmp_path: Path) -> None:
    for key in ("b/2", "a/1", "b/1"):
        put(storage, tmp_path, key, b"x")
    assert list(storage.keys()) == ["a/1", "b/1", "b/2"]
    assert list(storage.keys("b/")) == ["b/1", "b/2"]
    storage.delete("b/1")
    assert list(storage.keys("b/")) == ["b/2"]


def test_putting_again_replaces(storage: Storage, tmp_path: Path) -> None:
    put(storage, tmp_path, "k", b"one")
    put(storage, tmp_path, "k", b"two")
    assert b"".join(storage.open("k")) == b"two"
    storage.check()


def test_a_registry_publishes_into_it_and_serves_from_it(address: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", storage_url=address, s3_key="key", s3_secret="secret")
    with registry(settings) as server:
        done = server.publish()
        assert server.client.get(done["url"]).status_code == 200
        assert server.client.get("/downloads/probe-pack/1.0.0/node.zip").status_code == 200
        assert server.client.get("/readyz").json() == {"status": "ok", "database": "ok", "storage": "ok"}


@pytest.mark.parametrize("address", ["", "folder", "file://host/x", "s3://bucket", "ftp://x/y"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(BadRequest, match="no storage"):
        open_storage(address)


def test_a_storage_that_is_away_is_said_so(tmp_path: Path) -> None:
    away = open_storage("s3://bucket?endpoint=http://127.0.0.1:9&region=x", "key", "secret")
    with pytest.raises(Unavailable):
        away.size("x")
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        put(open_storage((tmp_path / "file").as_uri()), tmp_path, "x", b"x")


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../outside"])
def test_a_name_stays_inside_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(BadRequest):
        open_storage((tmp_path / "storage").as_uri()).size(key)
