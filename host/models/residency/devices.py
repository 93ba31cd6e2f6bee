"""The devices weights can be placed on, and how much each can still hold. Nobody else asks torch about memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch  # noqa: TID253 - this module is loaded when weights are

from host.models.computing.freed_memory import give_freed_memory_back, keep_freed_memory
from host.models.errors import DeviceUnavailable
from host.models.residency.open_files import allow_many_files

DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_HALVES = (torch.float16, torch.bfloat16)
_UNLIMITED = 2**62


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a user may set about the model manager.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto``, ``fp32``, ``fp16`` or ``bf16``: in what the weights are computed with.
        vram: the most bytes weights may take on the device; None for what it has.
        compile: compile what denoisers repeat: kernels for the CPU, blocks elsewhere, where that works.
        compiled: folder that keeps compiled code for later processes; None for torch's own choice.
    """

    device: str = "auto"
    dtype: str = "auto"
    vram: int | None = None
    compile: bool = False
    compiled: Path | None = None


class Device(Protocol):
    """A place for weights."""

    @property
    def name(self) -> str: ...
    @property
    def torch_device(self) -> torch.device: ...

    @property
    def maps_files(self) -> bool:
        """Whether a view of a mapped file can be used on it as it is."""

    @property
    def budget(self) -> int | None:
        """The most bytes that weights may take on it; None for what it has."""

    def free(self, held: int) -> int:
        """Bytes that may still be filled, where ``held`` is what the manager has placed there.

        Where files are mapped, ``held`` may leave their pages out, which the system can take back.
        """

    def release_cached(self) -> None:
        """Give memory back that the allocator keeps for later."""


@dataclass(frozen=True)
class CpuDevice:
    """Main memory: what the system, or the container around us, has available."""

    budget: int | None = None
    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")

    name = "cpu"
    maps_files = True

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def free(self, held: int) -> int:
        return min(self._system(), self._container(), _within(self.budget, held))

    def release_cached(self) -> None:
        give_freed_memory_back()

    def _system(self) -> int:
        try:
            text = (self.proc / "meminfo").read_text()
        except OSError:
            return _UNLIMITED
        found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024 if found else _UNLIMITED

    def _container(self) -> int:
        """What a cgroup (version 2) leaves; its file pages count as free, since they can be dropped."""
        try:
            limit = (self.cgroup / "memory.max").read_text().strip()
            current = int((self.cgroup / "memory.current").read_text())
            statistics = (self.cgroup / "memory.stat").read_text()
        except (OSError, ValueError):
            return _UNLIMITED
        if not limit.isdecimal():
            return _UNLIMITED
        pages = re.search(r"^inactive_file (\d+)$", statistics, re.MULTILINE)
        return max(0, int(limit) - current + (int(pages[1]) if pages else 0))


@dataclass(frozen=True)
class CudaDevice:
    """A CUDA device. ``reserve`` bytes stay free for the desktop and for what others allocate meanwhile."""

    index: int = 0
    budget: int | None = None
    reserve: int = 512 * 2**20

    maps_files = False

    @property
    def name(self) -> str:
        return f"cuda:{self.index}"

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cuda", self.index)

    def free(self, held: int) -> int:
        unused, _ = torch.cuda.mem_get_info(self.index)
        kept = torch.cuda.memory_reserved(self.index) - torch.cuda.memory_allocated(self.index)
        return min(max(0, unused + kept - self.reserve), _within(self.budget, held))

    def release_cached(self) -> None:
        torch.cuda.empty_cache()


def open_device(name: str, budget: int | None = None) -> Device:
    """The device of that name: ``auto`` (the first CUDA device, or else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    From then on the process may have many files open, and keeps memory that it has freed on the CPU for its next use.
    Raises DeviceUnavailable for one that isn't there.
    """
    allow_many_files()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        keep_freed_memory()
        return CpuDevice(budget)
    found = re.fullmatch(r"cuda(?::(\d+))?", name)
    if not found:
        raise DeviceUnavailable(name, "devices are called auto, cpu, cuda or cuda:N.")
    index, count = int(found[1] or 0), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise DeviceUnavailable(name, f"torch {torch.__version__} sees {count} CUDA devices here; use --device cpu.")
    return CudaDevice(index, budget)


def choose_dtype(wanted: str, device: Device, stored: torch.dtype, part: str) -> torch.dtype:
    """In what a part is computed whose file stores ``stored``.

    ``auto`` is float32 on the CPU, where half precision is slow and coarse, and what the file stores elsewhere: fp8
    becomes bfloat16, and a VAE in float16, which overflows in many of them, float32.
    """
    if wanted in DTYPES:
        return DTYPES[wanted]
    if wanted != "auto":
        raise DeviceUnavailable(wanted, f"dtypes are called auto, {', '.join(DTYPES)}.")
    if device.torch_device.type == "cpu" or (part == "vae" and stored == torch.float16):
        return torch.float32
    if stored in _HALVES or stored == torch.float32:
        return stored
    return torch.float32 if stored == torch.float64 else torch.bfloat16


def _within(budget: int | None, held: int) -> int:
    return _UNLIMITED if budget is None else max(0, budget - held)
