from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from host.models.computing.amx.building import load_kernels
from host.models.computing.amx.kernels import kernels_for_this_cpu


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    for each in (load_kernels, kernels_for_this_cpu):
        each.cache_clear()
    yield
    for each in (load_kernels, kernels_for_this_cpu):
        each.cache_clear()


def test_a_machine_without_kernels_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)

    with caplog.at_level(logging.INFO, "host.models.computing.amx.kernels"):
        assert kernels_for_this_cpu(tmp_path) is None
        assert kernels_for_this_cpu(tmp_path) is None

    (line,) = caplog.messages
    assert "the CPU lacks amx_tile" in line
    assert list(tmp_path.iterdir()) == []
