"""What is true of the host, which no installation changes."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from sdk.hooks import NODE_API

_SYSTEMS = {"linux": "POSIX :: Linux", "darwin": "MacOS", "win32": "Microsoft :: Windows"}


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """The host that packs are chosen for.

    Attributes:
        python: its version.
        node_api: of the SDK.
        system: as classifiers name it, such as ``POSIX :: Linux``.
        accelerators: as classifiers name them.
        installed: versions of the host's Python packages, by normalised name. They are facts: never replaced, and
            never looked up, for a build such as ``2.13.0+cpu`` need be on no index.
        version: of comfy-nodes.
    """

    python: str
    node_api: str
    system: str
    accelerators: tuple[str, ...] = ()
    installed: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


def this_host(accelerators: tuple[str, ...] | None = None, *, without: Path | None = None) -> HostFacts:
    """Facts about the Python that runs this.

    Args:
        accelerators: what settings say; None to look.
        without: a folder of packages that are not the host's.
    """
    installed: dict[str, str] = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name and not (without and Path(str(found.locate_file(""))).is_relative_to(without)):
            installed.setdefault(str(canonicalize_name(name)), found.version)
    return HostFacts(
        python=platform.python_version(),
        node_api=NODE_API,
        system=_SYSTEMS.get(sys.platform, "POSIX"),
        accelerators=detect_accelerators() if accelerators is None else accelerators,
        installed=installed,
        version=installed.get("comfy-nodes", "0"),
    )


def detect_accelerators() -> tuple[str, ...]:
    """What the machine shows of its accelerators without loading a driver."""
    found = []
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        found.append("GPU :: NVIDIA CUDA")
    if Path("/dev/kfd").exists():
        found.append("GPU :: AMD ROCm")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append("GPU :: Apple Metal")
    return tuple(found)
