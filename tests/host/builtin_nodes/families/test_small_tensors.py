from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import torch

from host.builtin_nodes.families.small_tensors import small_tensor
from sdk.models import Header, TensorInfo

_READERS, _TIMES = 2, 40


@pytest.fixture
def threads_that_alternate() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_that_alternate")
def test_checkpoints_of_trainers_can_be_read_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"bias": torch.ones(3)}, "loss": numpy.float64(0.1)}, path)
    let_in = set(torch.serialization.get_safe_globals())
    header = Header(path, {"bias": TensorInfo("F32", (3,))})

    def read(_: int) -> list[bool]:
        return [small_tensor(header, "bias") is not None for _ in range(_TIMES)]

    with ThreadPoolExecutor(_READERS) as pool:
        assert all(all(found) for found in pool.map(read, range(_READERS)))
    assert set(torch.serialization.get_safe_globals()) == let_in
