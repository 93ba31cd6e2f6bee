"""Weights on the device: streamed through little room, given up to others, and brought again after it was full."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.vae.nodes import vae_decode
from host.models.errors import DeviceFull
from host.models.residency.devices import CpuDevice, CudaDevice
from tests.goldens.runners.family_models import tiny_model
from tests.host.on_a_device.tiny_models import OnDevice, on_device
from tests.support.pretend_cuda.chip import Chip

NO_RESERVE = 0
"""Bytes that stay free for others: there are none here."""


@pytest.fixture(autouse=True)
def _nothing_left() -> None:
    """What an earlier test's managers hold would otherwise fall free at some moment of this one."""
    gc.collect()


@pytest.fixture(scope="module")
def files(goldens: Path, folder: Path) -> tuple[Path, Path]:
    """A checkpoint, and a case with prompts for it."""
    return tiny_model(goldens / "sd1", folder, CpuDevice()).path, goldens / "sd1" / "sample_img2img.safetensors"


@pytest.fixture
def expected(files: tuple[Path, Path]) -> Tensor:
    """The run on a device that holds everything."""
    return on_device(*files, CudaDevice(0)).sampled()


def _part_bytes(models: OnDevice, part: str) -> int:
    return next(held.bytes for held in models.manager.report() if held.part == part)


def test_a_third_of_the_weights_bytes_gives_the_same_numbers(
    chip: Chip, files: tuple[Path, Path], expected: Tensor
) -> None:
    whole = on_device(*files, CudaDevice(0))
    whole.sampled()
    size = _part_bytes(whole, "denoiser")
    del whole
    streamed = on_device(*files, CudaDevice(0, size // 3))
    chip.memory.peak = before = chip.memory.live
    chip.waits.clear()
    assert torch.equal(streamed.sampled(), expected)
    (held,) = streamed.manager.report()
    assert held.bytes <= size // 3
    assert held.streamed_bytes > size // 2
    assert chip.memory.peak - before < size * 2 // 3, "what is streamed is there a few weights at a time"
    assert chip.memory.faults == [], "weights stay until the stream that computes with them has used them"
    waited = chip.waits.total()
    chip.waits.clear()
    streamed.sampled()
    assert chip.waits.total() < waited // 4, "weights come without the program waiting for their copies"


def test_a_full_device_is_answered_by_evicting_others_and_computing_again(
    chip: Chip, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    latent = {"samples": torch.randn(1, 4, 24, 24, generator=torch.Generator().manual_seed(1))}
    models = on_device(*files, CudaDevice(0, reserve=NO_RESERVE))
    decoded = vae_decode(latent, models.parts["vae"], models.context)
    models.sampled()
    assert {held.part for held in models.manager.report() if held.bytes} == {"denoiser", "vae"}
    monkeypatch.setattr(chip.memory, "capacity", chip.memory.live + 2**20)
    assert torch.equal(vae_decode(latent, models.parts["vae"], models.context), decoded)
    assert [held.part for held in models.manager.report() if held.bytes] == ["vae"]


def test_a_device_that_stays_full_is_an_error_that_says_who_holds_what(
    chip: Chip, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = on_device(*files, CudaDevice(0, reserve=NO_RESERVE))
    models.sampled()
    monkeypatch.setattr(chip.memory, "capacity", chip.memory.live + 2**12)
    with pytest.raises(DeviceFull, match="denoiser") as caught:
        models.sampled()
    assert caught.value.device == "cuda:0"
    monkeypatch.undo()
    assert models.sampled().isfinite().all()
