"""Ctrl-C, kills and disks that refuse: what is there afterwards is whole, or is not there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command_line import CommandLine, node, plain_picture, text_to_image, wait_for, write_json
from tests.support.terminal import CONTROL_C, SHOW_CURSOR, Terminal

pytestmark = pytest.mark.e2e

SECONDS_TO_END = 60  # generous, for busy machines: left alone, these runs take minutes or never end

STUBBORN_PACK = '''
import hashlib, time

class Stubborn:
    """Looks at no cancel token; ``deep`` is one call into C that looks at no signal either."""
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "test", "go", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"deep": ("BOOLEAN", {})}}

    def go(self, deep):
        print("here it stays", flush=True)
        while not deep:
            time.sleep(0.01)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        return ()

NODE_CLASS_MAPPINGS = {"Stubborn": Stubborn}
'''


@pytest.fixture
def terminal(comfy_nodes: CommandLine) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: object, columns: int = 80) -> Terminal:
        environment = comfy_nodes.environment
        opened.append(Terminal(*arguments, folder=comfy_nodes.base, environment=environment, columns=columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def pictures(folder: Path) -> list[str]:
    """Names of the files in a folder; hidden ones are no pictures."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_control_c_ends_sampling_within_a_step(terminal: Callable[..., Terminal], base: Path, tmp_path: Path) -> None:
    write_json(base / "long.json", text_to_image(steps=10_000))
    run = terminal("run", "long.json", "--output-dir", tmp_path)
    run.wait_for("/10000")
    run.press(CONTROL_C)
    run.wait_for("cancelling after this step; press Ctrl-C again to stop at once")
    began = time.monotonic()
    assert run.end() == 130
    assert time.monotonic() - began < SECONDS_TO_END
    assert run.screen.endswith("cancelled by the user\n")
    assert "KSampler" in run.screen
    assert SHOW_CURSOR in run.text
    assert pictures(tmp_path) == []


@pytest.mark.parametrize("deep", [False, True], ids=["in Python", "in C"])
def test_a_second_control_c_ends_the_program_at_once(
    terminal: Callable[..., Terminal], base: Path, tmp_path: Path, deep: bool
) -> None:
    pack = tmp_path / "stubborn"
    pack.mkdir()
    (pack / "__init__.py").write_text(STUBBORN_PACK)
    workflow = write_json(tmp_path / "workflow.json", {"1": node("Stubborn", deep=deep)})
    run = terminal("run", workflow, "--pack-dir", pack)
    run.wait_for("here it stays")
    run.press(CONTROL_C)
    run.wait_for("press Ctrl-C again")
    began = time.monotonic()
    run.press(CONTROL_C)
    assert run.end() == 130
    assert time.monotonic() - began < SECONDS_TO_END
    assert SHOW_CURSOR in run.text


def test_a_kill_while_saving_leaves_no_half_picture(comfy_nodes: CommandLine, base: Path, tmp_path: Path) -> None:
    write_json(base / "large.json", plain_picture(side=3000))
    run = comfy_nodes.start("run", "large.json", "--output-dir", tmp_path)
    wait_for(lambda: list(tmp_path.iterdir()), run)
    run.kill()
    run.communicate()
    for name in pictures(tmp_path):
        with Image.open(tmp_path / name) as image:
            image.load()


def test_a_full_disk_is_named_and_leaves_nothing(comfy_nodes: CommandLine, base: Path, tmp_path: Path) -> None:
    write_json(base / "grey.json", plain_picture(side=1024))
    run = comfy_nodes("run", "grey.json", "--output-dir", tmp_path, limits="ulimit -f 1")
    assert run.code == 5
    assert "node 2 (SaveImage, pack core 0.1.0): " in run.err
    assert str(tmp_path / "grey_00001_.png") in run.err
    assert "File too large" in run.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_can_hold_no_folder_is_named(comfy_nodes: CommandLine, base: Path, tmp_path: Path) -> None:
    write_json(base / "grey.json", plain_picture())
    (tmp_path / "file").touch()
    run = comfy_nodes("run", "grey.json", "--output-dir", tmp_path / "file" / "out")
    assert run.code == 4
    assert f"Can't use the folder {tmp_path / 'file' / 'out'}: {tmp_path / 'file'} is a file." in run.err
