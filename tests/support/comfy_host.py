"""A host with packs in ComfyUI's form, whose folders and models these packs use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host.app import Host, create_host
from host.comfyui.home import Home, attach, built_ins
from host.folders import LocalFolders
from host.models.library import Library
from host.settings import load_settings

PICTURE_PACK = Path(__file__).parent / "packs" / "picture_pack"


def host_with_packs(base: Path, packs: Sequence[Path], settings: Mapping[str, Any] | None = None) -> Host:
    """A host on the CPU with these packs, all of which load; packs ask it from now on."""
    flags = {"base_dir": base, "pack_dirs": tuple(packs), "device": "cpu", "cache": "none", **(settings or {})}
    host = create_host(load_settings(flags, {}, base))
    assert not host.registry.failures, host.registry.failures
    return host


def home_in(base: Path) -> Home:
    """The home of packs in a folder without a host: the built-in nodes, and no services; packs ask it from now on."""
    library = Library([base / "models"], {"custom_nodes": [base / "custom_nodes"]})
    home = Home(LocalFolders(base, library), library, built_ins, lambda: None, base, base / "models")
    attach(home)
    return home
