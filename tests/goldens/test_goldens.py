"""Every case of the reference data, as one test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.goldens.conftest import Golden


def test_golden(golden: Golden, tmp_path: Path) -> None:
    if golden.runner is None:
        pytest.fail(f"no runner for {golden.folder.name}: add one in tests/goldens/runners, or list it in not_yet.txt")
    golden.runner.run(golden.folder, golden.name, tmp_path)
