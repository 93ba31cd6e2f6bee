"""A zip's central directory, and whether the rest of the file agrees with it.

Programs differ in which of a zip's redundant facts they believe. An archive is refused unless all facts agree, so that
whoever scanned it has seen what everybody else unpacks. Layout: PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.4.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from sdk.archives.errors import ArchiveTooLarge, DamagedArchive
from sdk.archives.limits import Limits

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s2H H2H3L2H")
_DESCRIPTOR_FLAG = 0x08
_DESCRIPTOR_BYTES = 24
_DIRECTORY_ENTRY_BYTES = 2048  # on average, at most; names are shorter and extra fields small


def read_directory(file: BinaryIO, path: Path, limits: Limits) -> list[zipfile.ZipInfo]:
    """The entries, in the order of the directory.

    Raises:
        DamagedArchive: it is no zip, or cut off; there are bytes before, between or after its parts; local headers
            say something else than the directory.
        ArchiveTooLarge: more entries than allowed; said before they are read.
    """
    start = _directory_start(file, path, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, struct.error, ValueError, OSError) as error:
        raise DamagedArchive(path, f"it is no readable zip ({error})") from error
    if len(entries) > limits.entries:
        raise ArchiveTooLarge(path, "the number of entries", len(entries), limits.entries)
    _check_places(file, path, entries, start)
    return entries


def _directory_start(file: BinaryIO, path: Path, limits: Limits) -> int:
    """Where the directory begins; what follows it must end with the file."""
    size = file.seek(0, 2)
    if size < _END.size:
        raise DamagedArchive(path, "it is too short to be a zip")
    at = _find_end(file, path, size)
    count, length, start = _end_record(file, path, at)
    if count > limits.entries:
        raise ArchiveTooLarge(path, "the number of entries", count, limits.entries)
    if length > max(limits.entries, 1) * _DIRECTORY_ENTRY_BYTES:
        raise ArchiveTooLarge(path, "the directory's size", length, limits.entries * _DIRECTORY_ENTRY_BYTES)
    if start + length > at:
        raise DamagedArchive(path, "its directory lies outside the file")
    return start


def _find_end(file: BinaryIO, path: Path, size: int) -> int:
    """Position of the end record, whose comment must reach exactly to the end of the file."""
    span = min(size, _END.size + 0xFFFF)
    file.seek(size - span)
    tail = file.read(span)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise DamagedArchive(path, "it is no zip, or its end is missing")
    comment = _END.unpack_from(tail, at)[7]
    if at + _END.size + comment != len(tail):
        raise DamagedArchive(path, "there are bytes after its end, or its end is missing")
    return size - span + at


def _end_record(file: BinaryIO, path: Path, at: int) -> tuple[int, int, int]:
    """Number of entries, length and start of the directory; from the 64-bit record where there is one."""
    file.seek(at)
    _, disk, first_disk, here, count, length, start, _ = _END.unpack(file.read(_END.size))
    if at >= _LOCATOR_64.size:
        file.seek(at - _LOCATOR_64.size)
        mark, _, place, _ = _LOCATOR_64.unpack(file.read(_LOCATOR_64.size))
        if mark == b"PK\x06\x07":
            return _end_record_64(file, path, place, at)
    if disk or first_disk or here != count:
        raise DamagedArchive(path, "it is one part of several")
    if start + length != at:
        raise DamagedArchive(path, "there are bytes before its start or after its directory")
    return count, length, start


def _end_record_64(file: BinaryIO, path: Path, place: int, end: int) -> tuple[int, int, int]:
    if place + _END_64.size > end:
        raise DamagedArchive(path, "its 64-bit end record is missing")
    file.seek(place)
    mark, _, _, _, disk, first_disk, here, count, length, start = _END_64.unpack(file.read(_END_64.size))
    if mark != b"PK\x06\x06" or disk or first_disk or here != count or start + length != place:
        raise DamagedArchive(path, "its 64-bit end record contradicts the file")
    return count, length, start


def _check_places(file: BinaryIO, path: Path, entries: list[zipfile.ZipInfo], directory: int) -> None:
    """Entries must lie one after the other from the first byte on, and say of themselves what the directory says."""
    free = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < free:
            raise DamagedArchive(path, f"{entry.filename!r} overlaps another entry")
        if entry.header_offset > free + (_DESCRIPTOR_BYTES if free else 0):
            raise DamagedArchive(path, f"there are hidden bytes before {entry.filename!r}")
        free = _data_start(file, path, entry) + entry.compress_size
    if free > directory:
        raise DamagedArchive(path, "its last entry overlaps the directory")
    if directory > free + _DESCRIPTOR_BYTES:
        raise DamagedArchive(path, "there are hidden bytes before its directory")


def _data_start(file: BinaryIO, path: Path, entry: zipfile.ZipInfo) -> int:
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise DamagedArchive(path, f"the header of {entry.filename!r} is missing")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    name = file.read(name_length)
    said = {(crc, packed, size), (0, 0, 0)} if flags & _DESCRIPTOR_FLAG else {(crc, packed, size)}
    expected = (entry.CRC, entry.compress_size, entry.file_size)
    sizes_agree = expected in said or 0xFFFFFFFF in (packed, size) or bool(flags & _DESCRIPTOR_FLAG and not crc)
    if name != _raw_name(entry) or method != entry.compress_type or flags != entry.flag_bits or not sizes_agree:
        raise DamagedArchive(path, f"the header of {entry.filename!r} contradicts the directory")
    return int(entry.header_offset + _LOCAL.size + name_length + extra_length)


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "surrogatepass")
