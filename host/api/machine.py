"""Facts about the machine, Python and torch, without importing torch where it is not needed."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

COMFYUI_VERSION = "0.3.64"
"""The version whose web API this is; clients choose what they use by it."""

FRONT_END = "comfyui-frontend-package"
TEMPLATES = "comfyui-workflow-templates"


def system_stats(argv: tuple[str, ...], device: str) -> dict[str, Any]:
    """The answer of ``/system_stats``.

    Args:
        argv: the command line of the server.
        device: the device that the settings ask for.
    """
    total, free = memory()
    system = {
        "os": os.name,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": COMFYUI_VERSION,
        "required_frontend_version": version_of(FRONT_END),
        "installed_templates_version": version_of(TEMPLATES),
        "required_templates_version": version_of(TEMPLATES),
        "python_version": sys.version,
        "pytorch_version": version_of("torch"),
        "embedded_python": False,
        "argv": list(argv),
    }
    return {"system": system, "devices": [_device(device, total, free)]}


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution; None if it is not there."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def memory() -> tuple[int, int]:
    """Bytes of main memory: all of it, and what is free; zeros where the system does not say."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
        sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
        return sizes.get("MemTotal", 0), sizes.get("MemAvailable", sizes.get("MemFree", 0))
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0


def _device(wanted: str, total: int, free: int) -> dict[str, Any]:
    cuda = _cuda(wanted) if _may_have_cuda(wanted) else None
    if cuda is not None:
        return cuda
    sizes = {"vram_total": total, "vram_free": free, "torch_vram_total": total, "torch_vram_free": free}
    return {"name": "cpu", "type": "cpu", "index": None, **sizes}


def _may_have_cuda(wanted: str) -> bool:
    """Whether it is worth the seconds that importing torch takes."""
    if wanted == "cpu":
        return False
    return "torch" in sys.modules or not sys.platform.startswith("linux") or Path("/dev/nvidiactl").exists()


def _cuda(wanted: str) -> dict[str, Any] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    index = int(wanted.partition(":")[2] or torch.cuda.current_device())
    free, total = torch.cuda.mem_get_info(index)
    reserved, allocated = torch.cuda.memory_reserved(index), torch.cuda.memory_allocated(index)
    return {
        "name": f"cuda:{index} {torch.cuda.get_device_name(index)}",
        "type": "cuda",
        "index": index,
        "vram_total": total,
        "vram_free": free + reserved - allocated,
        "torch_vram_total": reserved,
        "torch_vram_free": reserved - allocated,
    }
