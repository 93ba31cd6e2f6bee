"""Turns folders of reference data into tests, one per case.

``pytest tests/goldens`` runs the data kept in this repository; ``--goldens DIR`` (repeatable) runs any
other folder of the same format, whose sub-folders are parts (``A_sampling``) or model families (``sd1``).
A test's id is ``<part>/<case>``. A case nobody implements fails, unless ``not_yet.txt`` names it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.goldens.runners import runner_for

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """One case: the folder of its part, and its name inside it."""

    folder: Path
    name: str
    runner: ModuleType | None

    @property
    def id(self) -> str:
        return f"{self.folder.name}/{self.name}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden" not in metafunc.fixturenames:
        return
    roots = metafunc.config.getoption("--goldens") or [unpacked(metafunc.config)]
    cases = [case for root in roots for case in _cases(root)]
    not_yet = _not_yet()
    parameters = []
    for case in cases:
        marks = [
            pytest.mark.skip(reason=f"not_yet.txt: {why}")
            for pattern, why in not_yet
            if fnmatch.fnmatch(case.id, pattern)
        ]
        parameters.append(pytest.param(case, id=case.id, marks=marks[:1]))
    metafunc.parametrize("golden", parameters)


def _cases(root: Path) -> list[Golden]:
    if not root.is_dir():
        raise pytest.UsageError(f"--goldens {root}: no such folder")
    found = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        runner = runner_for(folder.name)
        names = runner.cases(folder) if runner else ["*"]
        found += [Golden(folder, name, runner) for name in names]
    return found


def _not_yet() -> list[tuple[str, str]]:
    """(pattern, issue that brings it) from lines such as ``sdxl/* : model families``."""
    lines = (HERE / "not_yet.txt").read_text().splitlines()
    entries = (line.partition(" : ") for line in lines if line.strip() and not line.startswith("#"))
    return [(pattern.strip(), why.strip()) for pattern, _, why in entries]


def unpacked(config: pytest.Config) -> Path:
    """The repository's own data, unpacked once per content into pytest's cache folder."""
    archives = sorted((HERE / "data").glob("*.tar.xz"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(a.read_bytes()).digest() for a in archives)).hexdigest()[:16]
    target = Path(config.cache.mkdir("goldens")) / digest
    if not (target / ".complete").exists():
        for archive in archives:
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
        target.mkdir(parents=True, exist_ok=True)
        (target / ".complete").touch()
    return target
