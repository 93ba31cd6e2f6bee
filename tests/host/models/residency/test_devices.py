from __future__ import annotations

from pathlib import Path

import pytest
import torch

from host.models.errors import DeviceUnavailable
from host.models.residency.devices import CpuDevice, choose_dtype, open_device
from tests.host.models.doubles import FakeDevice


class Gpu(FakeDevice):
    torch_device = torch.device("cuda", 0)


GPU = Gpu(0)


def system(folder: Path, available_kb: int = 1000, **files: str) -> CpuDevice:
    (folder / "meminfo").write_text(f"MemTotal: 9999 kB\nMemAvailable:    {available_kb} kB\n")
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)
    return CpuDevice(proc=folder, cgroup=folder)


def test_free_memory_is_what_the_system_has_available(tmp_path: Path) -> None:
    assert system(tmp_path).free(0) == 1_024_000


def test_a_container_limits_it_but_its_file_pages_count_as_free(tmp_path: Path) -> None:
    device = system(tmp_path, max="5000\n", current="4000\n", stat="anon 7\ninactive_file 300\n")
    assert device.free(0) == 1300
    assert system(tmp_path, max="max\n").free(0) == 1_024_000
    assert system(tmp_path, max="10", current="4000").free(0) == 0


def test_a_budget_counts_what_is_held(tmp_path: Path) -> None:
    system(tmp_path)
    device = CpuDevice(5000, proc=tmp_path, cgroup=tmp_path)
    assert (device.free(0), device.free(4000), device.free(6000)) == (5000, 1000, 0)


def test_an_unknown_system_is_unlimited(tmp_path: Path) -> None:
    assert CpuDevice(proc=tmp_path, cgroup=tmp_path).free(0) > 2**50


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_a_name_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match="devices are called"):
        open_device(name)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceUnavailable, match="--device cpu"):
        open_device("cuda:63")


def test_cpu_is_always_there() -> None:
    assert open_device("cpu", 5).free(2) == 3
    assert open_device("auto").name in ("cpu", "cuda:0")


@pytest.mark.parametrize(
    ("wanted", "device", "stored", "part", "expected"),
    [
        ("auto", CpuDevice(), torch.float16, "denoiser", torch.float32),
        ("fp16", CpuDevice(), torch.float32, "denoiser", torch.float16),
        ("auto", GPU, torch.float16, "denoiser", torch.float16),
        ("auto", GPU, torch.bfloat16, "vae", torch.bfloat16),
        ("auto", GPU, torch.float16, "vae", torch.float32),
        ("fp16", GPU, torch.float16, "vae", torch.float16),
        ("auto", GPU, torch.float32, "denoiser", torch.float32),
        ("auto", GPU, torch.float64, "denoiser", torch.float32),
        ("auto", GPU, torch.float8_e4m3fn, "denoiser", torch.bfloat16),
        ("bf16", GPU, torch.float8_e4m3fn, "vae", torch.bfloat16),
    ],
)
def test_dtypes(wanted: str, device: FakeDevice, stored: torch.dtype, part: str, expected: torch.dtype) -> None:
    assert choose_dtype(wanted, device, stored, part) == expected


def test_a_dtype_nobody_knows_is_refused() -> None:
    with pytest.raises(DeviceUnavailable, match="auto, fp32, fp16, bf16"):
        choose_dtype("int8", CpuDevice(), torch.float32, "vae")
