"""What made a picture is brought back as it was, or nothing changes."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

from registry_client.client import Client
from registry_client.errors import BadRequirement, CannotRestore, NotThere
from registry_client.requests import ANY, Request
from registry_client.requirements import DirectSource, read_requirement
from registry_client.restoring import bears_record, read_record, record_of_lock
from registry_client.sources import prepare
from sdk.provenance import differences, record_of
from sdk.registry import State
from tests.support.registry_client import client
from tests.support.registry_folder import RegistryFolder, write_pack, write_wheel


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    made.publish_pack("acme-tint", "1.0", nodes=["Tint"])
    made.publish_pack("rival", "1.0", nodes=["Tint", "Rival"])
    made.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",))
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": "V = 1"})
    return made


@pytest.fixture
def links(tmp_path: Path) -> tuple[str, ...]:
    return (str(tmp_path / "wheels"),)


def install(one: Client, *wanted: str, **more: Any) -> None:
    do(one, Request(add=tuple(map(read_requirement, wanted)), **more))


def do(one: Client, request: Request) -> None:
    with one.changing():
        one.apply(one.plan(request), "test", direct=request.direct, import_check=False)


def picture(one: Client) -> dict[str, Any]:
    """What the host writes into pictures, having gone through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(record_of(one.workspace.current())))
    return found


def bring_back(one: Client, record: dict[str, Any]) -> None:
    with one.changing():
        one.apply(one.plan_record(record), "sync picture", import_check=False)


def installed(one: Client) -> dict[str, str]:
    return {pack.id: pack.version for pack in one.lock().packs}


def test_the_installer_and_the_host_say_the_same_of_an_installation(
    registry: RegistryFolder, links: tuple[str, ...], tmp_path: Path
) -> None:
    one = client(tmp_path, registry, find_links=links, offline=True)
    install(one, "grey", "acme-tint", "rival", prefer=("rival",), isolate=("acme-tint",))
    assert picture(one) == record_of_lock(one.lock())


def test_another_installation_becomes_the_one_that_made_a_picture(
    registry: RegistryFolder, links: tuple[str, ...], tmp_path: Path
) -> None:
    one = client(tmp_path, registry, find_links=links, offline=True)
    install(one, "grey", "acme-tint<2", "rival", prefer=("rival",), isolate=("acme-tint",))
    record = picture(one)
    registry.publish_pack("acme-tint", "1.5", nodes=["Tint"])
    write_wheel(tmp_path / "wheels", "grey-lib", "2.0", {"grey_lib.py": "V = 2"})
    registry.publish_pack("extra", "1.0", nodes=["Extra"])

    other = client(tmp_path / "other", registry, find_links=links, offline=True)
    install(other, "acme-tint", "grey", "extra")
    assert installed(other) == {"acme-tint": "1.5", "grey": "1.0", "extra": "1.0"}
    assert len(differences(record, picture(other))) == 5
    bring_back(other, record)
    assert installed(other) == {"acme-tint": "1.0", "grey": "1.0", "rival": "1.0"}
    assert differences(record, picture(other)) == []
    assert [wheel.version for wheel in other.lock().wheels] == ["1.0"]
    assert other.lock().require("acme-tint").isolated
    assert {pack.requested for pack in other.lock().packs} == {ANY}
    again = len(other.workspace.numbers())
    bring_back(other, record)
    assert len(other.workspace.numbers()) == again


def test_a_kept_generation_is_used_again_without_its_registry(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    install(one, "acme-tint")
    record, lock = picture(one), one.lock()
    do(one, Request(drop=("acme-tint",)))
    alone = client(tmp_path)
    bring_back(alone, record)
    assert alone.lock() == lock


def test_a_yanked_version_is_brought_back_too(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    install(one, "acme-tint")
    registry.publish_pack("acme-tint", "1.0", nodes=["Tint"], state=State.YANKED)
    registry.publish_pack("acme-tint", "2.0", nodes=["Tint"])
    other = client(tmp_path / "other", registry)
    bring_back(other, picture(one))
    assert installed(other) == {"acme-tint": "1.0"}


def test_a_disabled_pack_that_took_part_is_enabled(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    install(one, "acme-tint")
    record = picture(one)
    with one.changing():
        one.set_enabled(["acme-tint"], False, "test")
    assert picture(one) == {}
    bring_back(one, record)
    assert one.lock().require("acme-tint").enabled


def test_a_pack_from_a_folder_stays_where_it_is_the_same(registry: RegistryFolder, tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "mine", "mine", "1.0", nodes=["Mine"])
    (tmp_path / "made").mkdir()
    direct = prepare(DirectSource("folder", str(folder)), tmp_path / "made")
    one = client(tmp_path, registry)
    do(one, Request(direct=(direct,)))
    record = picture(one)
    install(one, "acme-tint")
    with one.changing():
        for number in one.workspace.numbers()[:-1]:
            shutil.rmtree(one.workspace.generations / str(number))
    bring_back(one, record)
    assert installed(one) == {"mine": "1.0"}


def test_what_a_registry_has_with_other_bytes_is_not_taken(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    install(one, "acme-tint")
    record = picture(one)
    record["packs"]["acme-tint"]["sha256"] = "0" * 64
    record["lock"] = ""
    other = client(tmp_path / "other", registry)
    with pytest.raises(CannotRestore, match=r"content is another[^$]*comfy-nodes install acme-tint==1\.0"):
        bring_back(other, record)
    assert not (tmp_path / "other" / "base" / "packs" / "store").exists()


def png(tmp_path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        made += len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    (tmp_path / "picture.png").write_bytes(made)
    return tmp_path / "picture.png"


def test_the_record_is_read_from_pictures_and_from_json(tmp_path: Path) -> None:
    record = {"lock": "", "packs": {"a": {"version": "1", "sha256": "x"}}}
    text = json.dumps(record).encode()
    path = png(tmp_path, (b"tEXt", b"prompt\0{}"), (b"tEXt", b"comfy-nodes\0" + text))
    assert bears_record(path)
    assert read_record(path) == record
    assert read_record(png(tmp_path, (b"zTXt", b"comfy-nodes\0\0" + zlib.compress(text)))) == record
    (tmp_path / "record.json").write_bytes(text)
    assert bears_record(tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"packs": 3}', b'{"packs": {"a": {}}}', b"[" * 100_000])
def test_a_picture_without_a_record_says_so(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(BadRequirement, match="does not say which packs made it"):
        read_record(png(tmp_path, (b"tEXt", b"comfy-nodes\0" + text)))


def test_a_lock_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "lock.toml").write_text("# Written by comfy-nodes\nformat = 1\n")
    assert not bears_record(tmp_path / "lock.toml")
    with pytest.raises(NotThere, match="can't be read"):
        bears_record(tmp_path / "missing.png")
