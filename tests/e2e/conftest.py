"""A folder with a checkpoint, shared by all; every test that writes gets an output folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CHECKPOINT, CommandLine, Ended, text_to_image, write_json


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with the tiny checkpoint and a workflow for it."""
    from tests.support.tiny_checkpoint import write_tiny_checkpoint

    folder = tmp_path_factory.mktemp("base")
    write_tiny_checkpoint(folder / "models" / "checkpoints" / CHECKPOINT)
    write_json(folder / "workflow.json", text_to_image())
    return folder


@pytest.fixture(scope="session")
def comfy_nodes(base: Path) -> CommandLine:
    return CommandLine(base)


@pytest.fixture(scope="session")
def first_run(comfy_nodes: CommandLine) -> Ended:
    """The workflow in API format, run with changes, told as JSON."""
    changes = ("--set", "3.seed=42", "--set", "Positive.text=a [blue] star, 50% smaller = small")
    return comfy_nodes("run", "workflow.json", *changes, "--output-dir", "first", "--json")
