"""Who may change an installation, and what is left after a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from registry_client.errors import Busy, NotThere
from registry_client.workspace import Workspace
from sdk.commands import ExitCode
from sdk.whole_files import write_whole_file
from sdk.workspace import BadGeneration, read_generation

HOLDER = """
import sys
from pathlib import Path
from registry_client.workspace import Workspace
with Workspace(Path(sys.argv[1])).exclusive():
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_client_is_told_who_is_at_it(tmp_path: Path) -> None:
    line = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        named = rf"another process \(id {other.pid}\)"
        with pytest.raises(Busy, match=named) as caught, Workspace(tmp_path).exclusive():
            pass
        other.communicate()
    assert caught.value.exit_code is ExitCode.BUSY
    with Workspace(tmp_path).exclusive():
        pass


def test_a_client_that_has_not_said_yet_who_it_is_still_holds_the_others_up(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.root.mkdir(parents=True)
    with (
        FileLock(str(workspace.root / "busy.lock")),
        pytest.raises(Busy, match="another process is changing"),
        workspace.exclusive(),
    ):
        pass


def test_a_killed_client_holds_nobody_up(tmp_path: Path) -> None:
    line = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    with Workspace(tmp_path).exclusive():
        pass


def test_the_next_change_clears_what_a_killed_one_was_writing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.root.mkdir()
    left = [folder / f".{'0' * 16}-00000000-1.part" for folder in (tmp_path, workspace.root)]
    for path in left:
        path.write_text("half")
        os.utime(path, (1, 1))
    with workspace.exclusive():
        assert not any(path.exists() for path in left)


def test_the_published_lock_follows_a_switch_that_was_cut_off(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_whole_file(workspace.generations / "1" / "lock.toml", [b"format = 1\n"])
    write_whole_file(workspace.published_lock, [b"old"])
    os.utime(workspace.published_lock, (1, 1))
    write_whole_file(workspace.pointer, [b"1\n"])
    workspace.recover()
    assert workspace.published_lock.read_bytes() == b"format = 1\n"


def test_a_lock_that_was_edited_since_is_left_alone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_whole_file(workspace.generations / "1" / "lock.toml", [b"format = 1\n"])
    write_whole_file(workspace.pointer, [b"1\n"])
    os.utime(workspace.pointer, (1, 1))
    write_whole_file(workspace.published_lock, [b"from a colleague"])
    workspace.recover()
    assert workspace.published_lock.read_bytes() == b"from a colleague"


@pytest.mark.parametrize("content", ["", "x", "99999"])
def test_a_damaged_pointer_is_an_error_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    workspace = Workspace(tmp_path)
    write_whole_file(workspace.pointer, [content.encode()])
    with pytest.raises(BadGeneration, match="rollback"):
        read_generation(tmp_path)


def test_a_generation_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="there are: none"):
        Workspace(tmp_path).generation(3)


def test_nothing_installed_is_no_error(tmp_path: Path) -> None:
    assert read_generation(tmp_path) is None
    assert Workspace(tmp_path).lock().packs == ()


def test_a_lock_that_can_not_be_shown_does_not_undo_a_switch(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_whole_file(workspace.generations / "1" / "lock.toml", [b"format = 1\n"])
    workspace.published_lock.mkdir()
    workspace.switch(1)
    assert workspace.pointer.read_bytes() == b"1\n"
    workspace.published_lock.rmdir()
    workspace.recover()
    assert workspace.published_lock.is_file()
