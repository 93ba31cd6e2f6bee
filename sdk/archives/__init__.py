"""Archives of packs: what is in one, unpacking it safely, and building one that is the same bytes every time."""

from sdk.archives.building import build_archive
from sdk.archives.errors import (
    ArchiveError,
    ArchiveTooLarge,
    BadTarget,
    CannotBuild,
    DamagedArchive,
    UnsafeArchive,
)
from sdk.archives.limits import Limits
from sdk.archives.reading import ArchiveFacts, Entry, read_archive
from sdk.archives.selection import select_files
from sdk.archives.unpacking import unpack

__all__ = [
    "ArchiveError",
    "ArchiveFacts",
    "ArchiveTooLarge",
    "BadTarget",
    "CannotBuild",
    "DamagedArchive",
    "Entry",
    "Limits",
    "UnsafeArchive",
    "build_archive",
    "read_archive",
    "select_files",
    "unpack",
]
