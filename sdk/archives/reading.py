"""Reads an archive from outside: what is in it, and whether it may be unpacked."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sdk.archives.directory import read_directory
from sdk.archives.errors import ArchiveTooLarge, DamagedArchive, UnsafeArchive
from sdk.archives.limits import Limits
from sdk.archives.names import collisions, name_problem

_CHUNK = 1 << 18
_ENCRYPTED_FLAGS = 0x2041  # encrypted, strongly encrypted, directory masked
_LOCAL_BYTES = 30


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file or folder of an archive; a folder's ``name`` ends in ``/``. Sizes are in bytes."""

    name: str
    size: int = 0
    packed_size: int = 0
    crc: int = 0
    _offset: int = field(default=0, repr=False)
    _deflated: bool = field(default=False, repr=False)

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


@dataclass(frozen=True, kw_only=True)
class ArchiveFacts:
    """What an archive is.

    Attributes:
        sha256, size: of the archive itself; lower-case hex, bytes.
        unpacked_size: bytes of all files together.
        entries: in the order of the archive's directory.
    """

    path: Path
    sha256: str
    size: int
    unpacked_size: int
    entries: tuple[Entry, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The files' names, without folders."""
        return tuple(entry.name for entry in self.entries if not entry.is_folder)


def read_archive(path: Path, limits: Limits | None = None) -> ArchiveFacts:
    """The facts of a zip that is safe to unpack; every byte of it has been looked at, and nothing was written.

    Raises:
        DamagedArchive: it is no zip, cut off, or its parts contradict each other.
        UnsafeArchive: entries lead out of the folder, are links or devices, collide on some system, or are encrypted.
        ArchiveTooLarge: a limit is exceeded.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        facts = read_facts(file, path, limits or Limits())
        for entry in facts.entries:
            for _ in entry_bytes(file, path, entry):
                pass
    return facts


def read_facts(file: BinaryIO, path: Path, limits: Limits) -> ArchiveFacts:
    """The same without looking into the files; ``entry_bytes`` checks each one's as it reads it."""
    size = file.seek(0, 2)
    if size > limits.archive_bytes:
        raise ArchiveTooLarge(path, "its size in bytes", size, limits.archive_bytes)
    infos = read_directory(file, path, limits)
    _check_sizes(path, infos, size, limits)
    if problems := [*_problems(infos)]:
        raise UnsafeArchive(path, problems)
    return ArchiveFacts(
        path=path,
        sha256=_digest(file),
        size=size,
        unpacked_size=sum(info.file_size for info in infos),
        entries=tuple(_entry(info) for info in infos),
    )


def _digest(file: BinaryIO) -> str:
    total = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        total.update(chunk)
    return total.hexdigest()


def entry_bytes(file: BinaryIO, path: Path, entry: Entry) -> Iterator[bytes]:
    """The file's content in chunks; never more than the directory says.

    Raises:
        DamagedArchive: size or checksum differ from what the directory says.
    """
    size = crc = 0
    for chunk in _inflated(file, path, entry) if entry._deflated else _stored(file, entry):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        if size > entry.size:
            break
        yield chunk
    if size != entry.size or crc != entry.crc:
        raise DamagedArchive(path, f"the content of {entry.name!r} is not what the directory says")


def _stored(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    left = entry.packed_size
    file.seek(_data_offset(file, entry))
    while left and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def _inflated(file: BinaryIO, path: Path, entry: Entry) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _stored(file, entry):
            while packed and not stream.eof:
                yield stream.decompress(packed, _CHUNK)
                packed = stream.unconsumed_tail
        yield stream.flush()
    except zlib.error as error:
        raise DamagedArchive(path, f"the content of {entry.name!r} can't be unpacked ({error})") from error
    if not stream.eof or stream.unused_data:
        raise DamagedArchive(path, f"the content of {entry.name!r} is cut off or followed by hidden bytes")


def _data_offset(file: BinaryIO, entry: Entry) -> int:
    file.seek(entry._offset)
    header = file.read(_LOCAL_BYTES)
    return (
        entry._offset + _LOCAL_BYTES + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:], "little")
    )


def _entry(info: zipfile.ZipInfo) -> Entry:
    return Entry(
        name=info.filename,
        size=info.file_size,
        packed_size=info.compress_size,
        crc=info.CRC,
        _offset=info.header_offset,
        _deflated=info.compress_type == zipfile.ZIP_DEFLATED,
    )


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    total = sum(info.file_size for info in infos)
    if total > limits.unpacked_bytes:
        raise ArchiveTooLarge(path, "the unpacked size in bytes", total, limits.unpacked_bytes)
    for info in infos:
        if info.file_size > limits.file_bytes:
            raise ArchiveTooLarge(path, f"the size of {info.filename!r} in bytes", info.file_size, limits.file_bytes)
    if total > limits.ratio_from and total > size * limits.ratio:
        raise ArchiveTooLarge(path, "the ratio of unpacked by packed bytes", total // size, limits.ratio)


def _problems(infos: list[zipfile.ZipInfo]) -> Iterator[tuple[str, str]]:
    good = []
    for info in infos:
        problem = name_problem(info.orig_filename) or _kind_problem(info)
        if problem:
            yield info.orig_filename, problem
        else:
            good.append(info.orig_filename)
    yield from collisions(good)


def _kind_problem(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device, pipe or socket"
    if info.filename.endswith("/") and info.file_size:
        return "is a folder with content"
    if kind == stat.S_IFDIR and not info.filename.endswith("/"):
        return "is a folder by its mode and a file by its name"
    if info.flag_bits & _ENCRYPTED_FLAGS:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed by a method other than deflate"
    return None
