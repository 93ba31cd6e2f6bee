"""What pictures say of the installation that made them, so that it can be compared, and brought back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host.errors import HostError
from sdk.commands import ExitCode
from sdk.workspace import Generation

KEY = "comfy-nodes"
"""Under which name the record travels beside the workflow."""


class NoRecord(HostError):
    """A file does not say which packs made it."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} does not say which packs made it; run it without --locked."


class OtherPacks(HostError):
    """An installation is not the one that made a picture; ``differences`` holds a sentence for each."""

    exit_code = ExitCode.LOCK_DIFFERS

    def __init__(self, differences: Sequence[str], wanted: Sequence[str]) -> None:
        super().__init__(differences, wanted)
        self.differences, self.wanted = tuple(differences), tuple(wanted)

    def __str__(self) -> str:
        lines = ["the installed packs are not those that made it", *(f"  {line}" for line in self.differences)]
        if self.wanted:
            lines.append(f"To have them: comfy-nodes install {' '.join(self.wanted)}")
        return "\n".join(lines)


def record_of(generation: Generation | None) -> dict[str, Any]:
    """The lock's sha256 and the enabled packs with version and sha256; empty where nothing is installed."""
    packs = [pack for pack in generation.packs if pack.enabled] if generation else []
    if generation is None or not packs:
        return {}
    digest = hashlib.sha256(generation.lock.read_bytes()).hexdigest() if generation.lock.is_file() else ""
    return {"lock": digest, "packs": {pack.id: {"version": pack.version, "sha256": pack.sha256} for pack in packs}}


def with_record(extra_data: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A job's extra data, so that the files it saves bear this record, and no older one."""
    info = extra_data.get("extra_pnginfo")
    others = {key: value for key, value in info.items() if key != KEY} if isinstance(info, Mapping) else None
    if record:
        return {**extra_data, "extra_pnginfo": {**(others or {}), KEY: dict(record)}}
    return extra_data if others is None or others == info else {**extra_data, "extra_pnginfo": others}


def check_same(wanted: Any, found: Mapping[str, Any], path: Path) -> None:
    """Make sure that an installation is the one a file bears the record of.

    Raises:
        NoRecord: it bears none.
        OtherPacks: it is another one.
    """
    packs = wanted.get("packs") if isinstance(wanted, Mapping) else None
    if not isinstance(packs, Mapping) or not all(isinstance(pack, Mapping) for pack in packs.values()):
        raise NoRecord(path)
    here: Mapping[str, Any] = found.get("packs", {})
    lines = [line for name, pack in packs.items() if (line := _difference(name, pack, here.get(name)))]
    lines += [
        f"{name} {pack['version']} is installed, and took no part" for name, pack in here.items() if name not in packs
    ]
    if not lines and wanted.get("lock") != found.get("lock"):
        raise OtherPacks(["the packs are the same, but not their Python packages, or whose node names are whose"], ())
    if lines:
        raise OtherPacks(lines, [f"{name}=={pack.get('version')}" for name, pack in packs.items()])


def _difference(name: str, wanted: Mapping[str, Any], here: Mapping[str, Any] | None) -> str:
    if here is None:
        return f"{name} {wanted.get('version')} is missing"
    if here["version"] != wanted.get("version"):
        return f"{name} {wanted.get('version')} is wanted, and {here['version']} is installed"
    if here["sha256"] != wanted.get("sha256"):
        return f"{name} {here['version']} is installed, but its content is another"
    return ""
