"""How much an archive may hold."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused before it costs memory or disk space.

    Attributes:
        archive_bytes: size of the archive itself.
        unpacked_bytes, file_bytes: of all files, and of one.
        entries: files and folders.
        ratio: unpacked by packed bytes, asked of archives that unpack to more than ``ratio_from`` bytes.
    """

    archive_bytes: int = 512 * MIB
    unpacked_bytes: int = 2048 * MIB
    file_bytes: int = 1024 * MIB
    entries: int = 50_000
    ratio: int = 200
    ratio_from: int = 8 * MIB
