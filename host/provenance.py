"""What pictures say of the installation that made them, and whether this one is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host.errors import HostError
from sdk.commands import ExitCode
from sdk.provenance import KEY, differences, is_record, record_of

__all__ = ["KEY", "NoRecord", "OtherPacks", "check_same", "record_of", "with_record"]


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

    def __init__(self, differences: Sequence[str], path: Path) -> None:
        super().__init__(differences, path)
        self.differences, self.path = tuple(differences), path

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "differences": list(self.differences)}

    def __str__(self) -> str:
        lines = [f"the installed packs are not those that made {self.path}"]
        lines += [f"  {line}" for line in self.differences]
        return "\n".join([*lines, f"To have them: comfy-nodes run --locked --install {self.path}"])


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
    if not is_record(wanted):
        raise NoRecord(path)
    if lines := differences(wanted, found):
        raise OtherPacks(lines, path)
