"""Packs' modules ask a home in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.comfyui.home import Home
from tests.support.comfy_host import home_in


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_in(tmp_path)


def write_model(base: Path, name: str) -> Path:
    """An empty file below the models folder."""
    path = base / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path
