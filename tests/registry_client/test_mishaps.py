"""What a network and a disk may do in the middle of an installation."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from registry_client.client import Client
from registry_client.errors import ClientError, InstallFailed, Mismatch, Unreachable
from registry_client.requests import Request
from registry_client.requirements import read_requirement
from registry_client.settings import ClientSettings, RegistrySettings
from tests.support.registry_client import HOST
from tests.support.registry_folder import RegistryFolder


class Mishaps(http.server.SimpleHTTPRequestHandler):
    """Serves a registry's files, and does to archives what ``mishap`` says."""

    mishap = ""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content: bytes = source.read()
        if "archives" in self.path and self.mishap == "cut off once":
            type(self).mishap = ""
            outputfile.write(content[:100])
            self.close_connection = True
            return
        if "archives" in self.path and self.mishap == "cut off":
            outputfile.write(content[:100])
            outputfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        if "archives" in self.path and self.mishap == "other bytes":
            content = bytes(len(content))
        outputfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    made.publish_pack("first", "1.0", nodes=["First"])
    made.publish_pack("second", "1.0", nodes=["Second"])
    return made


@pytest.fixture
def handler() -> type[Mishaps]:
    return type("OneTest", (Mishaps,), {})


@pytest.fixture
def one(registry: RegistryFolder, handler: type[Mishaps], tmp_path: Path) -> Iterator[Client]:
    """A client that has the first pack already."""
    serving = partial(handler, directory=str(registry.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        settings = ClientSettings(
            base_dir=tmp_path / "base",
            cache_dir=tmp_path / "cache",
            registries=(RegistrySettings("test", address),),
        )
        made = Client(settings, facts=HOST)
        install(made, "first")
        yield made
        server.shutdown()


def install(one: Client, name: str) -> None:
    with one.changing():
        one.apply(one.plan(Request(add=(read_requirement(name),))), "test", import_check=False)


def test_a_download_that_is_cut_off_once_is_tried_again(one: Client, handler: type[Mishaps]) -> None:
    handler.mishap = "cut off once"
    install(one, "second")
    assert handler.mishap == ""
    current = one.workspace.current()
    assert current is not None
    assert [pack.id for pack in current.packs] == ["first", "second"]


@pytest.mark.parametrize(("mishap", "error"), [("cut off", Unreachable), ("other bytes", Mismatch)])
def test_a_download_that_goes_wrong_changes_nothing_and_can_be_tried_again(
    one: Client, handler: type[Mishaps], mishap: str, error: type[ClientError]
) -> None:
    handler.mishap = mishap
    with pytest.raises(error, match="second"):
        install(one, "second")
    current = one.workspace.current()
    assert current is not None
    assert [pack.id for pack in current.packs] == ["first"]
    assert not one.workspace.staging.exists()
    handler.mishap = ""
    install(one, "second")
    assert {pack.id for pack in one.lock().packs} == {"first", "second"}


def test_a_folder_that_can_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "packs").write_text("a file")
    one = Client(ClientSettings(base_dir=tmp_path / "base", cache_dir=tmp_path / "cache", registries=()), facts=HOST)
    with pytest.raises(InstallFailed, match=r"packs can't be written to .* Nothing was changed"), one.changing():
        pytest.fail("nobody may change it")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_named(one: Client) -> None:
    one.workspace.root.chmod(0o500)
    try:
        with pytest.raises(InstallFailed, match="can't be written to"):
            install(one, "second")
    finally:
        one.workspace.root.chmod(0o700)
