"""The workflows in ``examples/`` can be run by the nodes there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.app import create_host
from host.cli.run import prepare
from host.engine.validation.prompt import validate
from host.settings import load_settings
from host.workflow_files import read_workflow

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path, tmp_path: Path) -> None:
    flags = {"base_dir": tmp_path, "models_dir": ROOT / "models", "input_dir": ROOT / "examples" / "input"}
    host = create_host(load_settings({**flags, "safe_mode": True}, {}, tmp_path))
    schemas = host.catalogue.current()
    checked = validate(prepare(host, read_workflow(path), (), schemas), schemas)
    assert (checked.error, checked.node_errors) == (None, {})
