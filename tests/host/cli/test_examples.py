"""The workflows in ``examples/`` can be run by the nodes there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.app import create_host
from host.cli.run import prepare
from host.engine.validation import validate
from host.settings import load_settings
from host.workflow_files import read_workflow

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path, tmp_path: Path) -> None:
    checkpoints = tmp_path / "models" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "tiny-shapes.safetensors").touch()
    host = create_host(load_settings({"base_dir": tmp_path, "safe_mode": True}, {}, tmp_path))
    checked = validate(prepare(host, read_workflow(path), ()), host.catalogue.current())
    assert (checked.error, checked.node_errors) == (None, {})
