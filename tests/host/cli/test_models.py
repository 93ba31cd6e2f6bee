"""``comfy-nodes models``: sound files, damaged ones, and those nobody knows."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from host.quantities import format_bytes
from tests.host.cli.conftest import Command
from tests.support.tiny_checkpoint import write_tiny_checkpoint


class Bomb:
    """Pickled code that leaves a trace if it is run."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("it-was-run",)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny.safetensors").read_bytes()


@pytest.fixture
def zoo(command: Command, checkpoint: bytes) -> Path:
    """A models folder with one sound checkpoint among files of every bad kind."""
    folder = command.base / "models"
    contents = {
        "tiny.safetensors": checkpoint,
        "empty.safetensors": b"",
        "noise.safetensors": b"hello world" * 10,
        "sub/cut-off.safetensors": checkpoint[:100_000],
        "giant.safetensors": struct.pack("<Q", 10 * 2**40) + b"{}",
        "bomb.ckpt": pickle.dumps({"state_dict": Bomb()}, protocol=2),
    }
    for name, content in contents.items():
        path = folder / "checkpoints" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    for name in ("vae/strange.safetensors", "loras/people/some.safetensors"):
        (folder / name).parent.mkdir(parents=True)
        save_file({"a.lora_up.weight": torch.zeros(3, 1)}, folder / name)
    return folder


def test_every_file_is_listed_with_what_it_is_and_why(command: Command, zoo: Path) -> None:
    ended = command("models", "--json")
    assert ended.code == 0
    rows = {f"{row['folder']}/{row['name']}": row for row in ended.json}
    said = {name: (row["usable"], row["family"], row["kind"]) for name, row in rows.items()}
    bad = (False, "", "damaged or unsafe")
    assert said == {
        "checkpoints/tiny.safetensors": (True, "sd1", "checkpoint"),
        "checkpoints/empty.safetensors": bad,
        "checkpoints/noise.safetensors": bad,
        "checkpoints/sub/cut-off.safetensors": bad,
        "checkpoints/giant.safetensors": bad,
        "checkpoints/bomb.ckpt": bad,
        "vae/strange.safetensors": (False, "", "unknown"),
        "loras/people/some.safetensors": (True, "", "LoRA"),
    }
    assert "context of 32" in rows["checkpoints/tiny.safetensors"]["why"]
    assert "download it again" in rows["checkpoints/sub/cut-off.safetensors"]["why"]
    assert "convert the file to safetensors" in rows["checkpoints/bomb.ckpt"]["why"]
    strange = rows["vae/strange.safetensors"]["why"]
    assert strange.startswith("it holds 1 tensors, such as a.lora_up.weight; no family knows it: ")
    assert "sd1, sd2, sdxl, sdxl_refiner: there is no UNet" in strange
    assert not (command.base / "it-was-run").exists()


def test_in_a_pipe_a_file_is_a_line_and_the_summary_is_apart(command: Command, zoo: Path) -> None:
    ended = command("models")
    assert len(ended.out.splitlines()) == 1 + 8
    assert ended.err.startswith("8 files, ")
    assert ended.err.endswith("5 damaged or unsafe, 1 sd1 checkpoint, 1 unknown, 1 LoRA\n")


def test_one_kind_can_be_asked_for(command: Command, zoo: Path) -> None:
    assert [row["folder"] for row in command("models", "--kind", "vae", "--json").json] == ["vae"]
    ended = command("models", "--kind", "chekpoints")
    assert ended.code == 2
    assert "is no kind of model" in ended.err


def test_an_empty_folder_is_said_to_be_empty(command: Command, tmp_path: Path) -> None:
    ended = command("models", "--models-dir", tmp_path / "base" / "models" / "checkpoints")
    assert ended.out.startswith("no model files below ")


def test_a_lora_is_known_by_the_names_of_its_tensors(command: Command, zoo: Path) -> None:
    (row,) = command("models", "--kind", "loras", "--json").json
    assert row["why"].startswith("1 changes of kind LoRA, such as a.lora_up.weight")


def test_a_file_with_two_names_is_counted_once(command: Command, checkpoint: bytes) -> None:
    folder = command.base / "models/vae"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(checkpoint)
    os.link(folder / "a.safetensors", folder / "b.safetensors")
    (folder / "c.safetensors").symlink_to(folder / "a.safetensors")

    rows = {row["name"]: row["same_as"] for row in command("models", "--kind", "vae", "--json").json}
    assert rows == {"a.safetensors": None, **dict.fromkeys(("b.safetensors", "c.safetensors"), "vae/a.safetensors")}
    assert f"3 files, {format_bytes(len(checkpoint))}, below" in command("models", "--kind", "vae").err
