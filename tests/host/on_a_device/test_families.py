"""The reference data's runs through nodes, family by family, with the models on the device.

A family joins by having a runner that takes a device.
"""

from __future__ import annotations

from fnmatch import fnmatch
from inspect import signature
from pathlib import Path

import pytest

from host.models.residency.devices import CudaDevice
from tests.goldens.conftest import unpacked
from tests.goldens.runners import runner_for
from tests.support.pretend_cuda.chip import Chip

KINDS = (
    ("sample_*noise_mask*", "sample_*"),
    ("te_weighted",),
    ("ti_mixed",),
    ("controlnet_*_full",),
    ("t2i_*_full",),
    ("tae*_decode",),
    ("tae*_encode",),
)
"""Of each kind of case, which goes by the first name that there is, a family's first one is run."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = [(folder.name, name) for folder in sorted(unpacked(metafunc.config).iterdir()) for name in _chosen(folder)]
    metafunc.parametrize("family, name", cases, ids=["/".join(case) for case in cases])


def _chosen(folder: Path) -> list[str]:
    runner = runner_for(folder.name) if folder.is_dir() else None
    if runner is None or "device" not in signature(runner.run).parameters:
        return []
    names = runner.cases(folder)
    found = (next((name for glob in kind for name in names if fnmatch(name, glob)), None) for kind in KINDS)
    return [name for name in found if name is not None]


def test_runs_are_right_on_the_device(chip: Chip, goldens: Path, folder: Path, family: str, name: str) -> None:
    own = folder / name
    own.mkdir(exist_ok=True)
    chip.memory.peak = held = chip.memory.live
    runner_for(family).run(goldens / family, name, own, CudaDevice(0))
    assert chip.memory.peak > held, "nothing was computed on the device"
