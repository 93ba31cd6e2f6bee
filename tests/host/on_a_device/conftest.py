"""The device, and the reference data's tiny models on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# Libraries look for devices when they are imported, and are to go on doing without one.
import diffusers.models  # noqa: F401
import pytest
import torch

from tests.goldens.conftest import unpacked
from tests.support.pretend_cuda.chip import Chip
from tests.support.pretend_cuda.device import pretended_cuda


@pytest.fixture(scope="module")
def chip() -> Iterator[Chip]:
    """The device, for all tests of a module: their models stay on it."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device, which nothing has to pretend; run the tests marked gpu")
    torch.set_num_threads(1)
    with pretended_cuda() as chip:
        yield chip
    assert chip.memory.faults == []


@pytest.fixture(scope="session")
def goldens(request: pytest.FixtureRequest) -> Path:
    """The repository's reference data."""
    return unpacked(request.config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the module's model files."""
    return tmp_path_factory.mktemp("device")
