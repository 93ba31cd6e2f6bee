"""The guide's pack, taken from the page as it stands, loads, passes its own tests and runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from host.engine.catalogue import Catalogue
from host.packs import packs_in
from host.plugins import PackRegistry, create_plugin_manager

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "write_a_node.md").read_text(encoding="utf-8")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    code, tests = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    folder = tmp_path / "my-tint"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(toml)
    (folder / "my_tint.py").write_text(code)
    (folder / "test_my_tint.py").write_text(tests)
    return folder


def test_the_guide_s_tests_pass(pack: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(pack), str(pack)]
    done = subprocess.run(
        command, cwd=pack, capture_output=True, text=True, env={"PYTHONPATH": f"{ROOT}:{pack}", "PATH": ""}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_guide_s_pack_loads_with_its_tooltips(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    registry = PackRegistry(create_plugin_manager(), Catalogue())
    registry.load(packs_in([pack], lambda folder: None))
    sys.modules.pop("my_tint", None)
    assert registry.failures == []
    tint = registry.catalogue.find("my-tint/Tint")
    assert tint.input("strength").option("tooltip") == "0 keeps the image, 1 replaces it."
