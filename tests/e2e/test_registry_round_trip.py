"""From an empty folder to a published pack, to a picture made with it, and back again; every step a real process."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdk.commands import ExitCode
from tests.support.command_line import CommandLine, Ended

pytestmark = pytest.mark.e2e
PACK, NODE = "acme-tint", "AcmeTintTint"


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """A folder with nothing in it but the place for models, which makes it a base folder."""
    (tmp_path / "models").mkdir()
    made = CommandLine(tmp_path)
    made.environment |= {"COMFY_PACKS_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    return made


@pytest.fixture
def registry(command: CommandLine) -> Iterator[str]:
    """The address of a registry that has just started, which commands use from now on."""
    with (command.base / "registry.log").open("w") as log:
        line = ("registry", "serve", "--data", "registry-data", "--listen", "127.0.0.1", "--port", "0")
        process = command.start(*line, errors=log)
        try:
            assert process.stdout is not None
            ready = re.search(r"http://\S+", process.stdout.readline())
            assert ready, (command.base / "registry.log").read_text()
            command.environment["COMFY_PACKS_REGISTRY"] = ready.group().rstrip("/")
            yield command.environment["COMFY_PACKS_REGISTRY"]
        finally:
            process.terminate()
            with process:
                process.wait(20)


def done(command: CommandLine, *arguments: object) -> Ended:
    ended = command(*arguments)
    assert ended.code == 0, f"{arguments}: {ended.out}\n{ended.err}"
    return ended


def take_a_token(command: CommandLine) -> None:
    data = ("--data", "registry-data")
    done(command, "registry", "admin", "publisher", "create", "acme", *data)
    made = done(
        command, *(["registry", "admin", "token", "create", "--publisher", "acme", "--scope", "publish:pack"]), *data
    )
    found = re.search(r"cnr_\S+", made.out)
    assert found, made.out
    command.environment["COMFY_PACKS_TOKEN"] = found.group()


def edit(command: CommandLine, file: str, before: str, after: str) -> None:
    path = command.base / PACK / file
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")


def publish(command: CommandLine, version: str) -> None:
    manifest = (command.base / PACK / "pyproject.toml").read_text(encoding="utf-8")
    edit(command, "pyproject.toml", re.findall(r'^version = ".*"$', manifest, re.M)[0], f'version = "{version}"')
    assert done(command, "publish", PACK, "--json").json["version"] == version


def picture(command: CommandLine, *arguments: object) -> tuple[Path, tuple[int, ...]]:
    """The file that the pack's own workflow gives, and the colour of its first pixel."""
    from PIL import Image

    ended = done(command, "run", f"{PACK}/workflows/tint.json", "--json", *arguments)
    path = Path(ended.json["files"][0])
    with Image.open(path) as image:
        return path, image.convert("RGB").getpixel((0, 0))  # type: ignore[return-value]


def installed(command: CommandLine) -> dict[str, str]:
    return {row["pack"]: row["version"] for row in done(command, "list", "--json").json}


def embedded(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        return json.loads(image.info["comfy-nodes"])


def test_a_pack_from_its_first_line_to_its_last_uninstall(registry: str, command: CommandLine) -> None:
    take_a_token(command)
    done(command, "new", PACK)
    edit(command, "pyproject.toml", 'PublisherId = ""', 'PublisherId = "acme"')
    done(command, "check", PACK)
    publish(command, "1.0.0")

    assert command("run", f"{PACK}/workflows/tint.json").code == ExitCode.PROMPT_REJECTED
    done(command, "install", PACK)
    assert installed(command) == {PACK: "1.0.0"}
    first, tinted = picture(command)
    assert embedded(first)["packs"][PACK]["version"] == "1.0.0"
    assert done(command, "run", first, "--locked", "--json").json["files"]

    edit(command, f"{PACK.replace('-', '_')}/nodes.py", "strength * (colour - image)", "strength * (image - colour)")
    publish(command, "1.1.0")
    assert installed(command) == {PACK: "1.0.0"}
    done(command, "update")
    assert installed(command) == {PACK: "1.1.0"}
    _, shunned = picture(command)
    assert shunned != tinted
    other = command("run", first, "--locked")
    assert other.code == ExitCode.LOCK_DIFFERS
    assert f"{PACK} 1.0.0 is wanted, and 1.1.0 is installed" in " ".join(other.err.split())

    elsewhere = ("--base-dir", command.base / "elsewhere")
    (command.base / "elsewhere" / "models").mkdir(parents=True)
    again = done(command, "run", first, "--locked", "--install", "--json", *elsewhere)
    assert embedded(Path(again.json["files"][0]))["packs"] == embedded(first)["packs"]
    assert done(command, "sync", first, "--check", "--json", *elsewhere).json["differences"] == []

    done(command, "rollback")
    assert installed(command) == {PACK: "1.0.0"}
    assert picture(command)[1] == tinted
    assert [row for row in done(command, "conflicts", "--json").json if row["level"] == "hard"] == []
    done(command, "uninstall", PACK)
    assert installed(command) == {}
    assert NODE in command("run", first).err


def test_a_published_pack_runs_isolated_and_gives_the_same_picture(registry: str, command: CommandLine) -> None:
    take_a_token(command)
    done(command, "new", PACK)
    edit(command, "pyproject.toml", 'PublisherId = ""', 'PublisherId = "acme"')
    publish(command, "1.0.0")
    done(command, "install", PACK)
    _, together = picture(command)
    done(command, "install", PACK, "--isolate", PACK)
    (row,) = done(command, "list", "--json").json
    assert row["state"] == "isolated"
    assert picture(command)[1] == together


def test_a_registry_that_is_gone_stops_nobody_who_has_what_he_needs(registry: str, command: CommandLine) -> None:
    take_a_token(command)
    done(command, "new", PACK)
    edit(command, "pyproject.toml", 'PublisherId = ""', 'PublisherId = "acme"')
    publish(command, "1.0.0")
    done(command, "install", PACK)
    command.environment["COMFY_PACKS_REGISTRY"] = "http://127.0.0.1:9"
    assert command("install", "something-else").code in (ExitCode.UNREACHABLE, ExitCode.NOT_FOUND)
    assert picture(command)[0].is_file()
    done(command, "disable", PACK)
    done(command, "enable", PACK)
    done(command, "uninstall", PACK)


def test_two_clients_at_once_take_turns_or_say_who_is_at_it(registry: str, command: CommandLine) -> None:
    take_a_token(command)
    done(command, "new", PACK)
    edit(command, "pyproject.toml", 'PublisherId = ""', 'PublisherId = "acme"')
    publish(command, "1.0.0")
    both: list[subprocess.Popen[str]] = [command.start("install", PACK) for _ in range(2)]
    ended = [command.end(process) for process in both]
    assert {each.code for each in ended} <= {0, ExitCode.BUSY}
    assert 0 in {each.code for each in ended}
    assert all("another process" in " ".join(each.err.split()) for each in ended if each.code == ExitCode.BUSY)
    assert installed(command) == {PACK: "1.0.0"}
