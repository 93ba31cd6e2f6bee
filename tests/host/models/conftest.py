"""Model files for the tests of the manager. Written with torch, which the tests that don't ask for them go without."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _net(tmp_path / "m.safetensors")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return _net(tmp_path / "a.safetensors"), _net(tmp_path / "b.safetensors")


def _net(path: Path) -> Path:
    from tests.host.models.doubles import write_net

    write_net(path)
    return path


@pytest.fixture(scope="session")
def kernels() -> ctypes.CDLL:
    """The kernels for the CPU, where this machine can have them."""
    from host.models.computing.amx.building import load_kernels
    from host.models.errors import KernelsUnavailable

    try:
        return load_kernels(None)
    except KernelsUnavailable as error:
        pytest.skip(f"{error} They need a CPU with AMX, and g++ or clang++.")
