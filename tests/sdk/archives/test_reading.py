from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from sdk.archives import ArchiveError, ArchiveTooLarge, DamagedArchive, Limits, UnsafeArchive, read_archive, unpack
from sdk.commands import ExitCode
from tests.sdk.archives.crafting import edit, overlapping, replace_bytes, write_links, write_zip

GOOD = {"pyproject.toml": b"[project]\n", "pack/nodes.py": b"x = 1\n" * 100, "pack/data/ü.txt": b""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pack.zip"


def assert_nothing_unpacked(path: Path) -> None:
    target = path.parent / "target"
    with pytest.raises(ArchiveError):
        unpack(path, target)
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name]


def test_an_ordinary_archive_gives_its_facts(path: Path) -> None:
    facts = read_archive(write_zip(path, GOOD))
    assert facts.names == tuple(GOOD)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.size == path.stat().st_size
    assert facts.unpacked_size == sum(map(len, GOOD.values()))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../evil.py", "leads out"),
        ("a/../../evil.py", "leads out"),
        ("/etc/passwd", "absolute"),
        ("C:/evil.py", "absolute"),
        ("c:evil.py", "absolute"),
        ("a\\..\\evil.py", "backslash"),
        ("a\0b.py", "control"),
        ("a\nb.py", "control"),
        ("a//b.py", "empty part"),
        ("./a.py", "empty part"),
        ("CON", "device"),
        ("pack/nul.txt", "device"),
        ("pack/Com1.tar.gz", "device"),
        ("pack/LPT¹", "device"),
        ("aux .py", "device"),
        ("pack/file.py:stream", "Windows does not allow"),
        ("pack/what?.py", "Windows does not allow"),
        ("pack/trailing.", "dot or blank"),
        ("pack /a.py", "dot or blank"),
        ("evil\u202eyp.exe", "direction of writing"),
        ("a" * 256 + ".py", "longer than 255"),
        ("/".join(["abcdefgh"] * 130), "longer than 1024"),
    ],
)
def test_a_name_that_is_not_the_same_file_everywhere_is_refused(path: Path, name: str, problem: str) -> None:
    stand_in = name.replace("\0", "\x01")
    write_zip(path, {"fine.py": b"", stand_in: b"x"})
    if "\0" in name:
        replace_bytes(path, b"a\x01b", b"a\0b")
    with pytest.raises(UnsafeArchive) as caught:
        read_archive(path)
    assert [entry for entry, _ in caught.value.problems] == [name]
    assert problem in caught.value.problems[0][1]
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert_nothing_unpacked(path)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Pack/a.py", "pack/a.py"),
        ("a/README", "a/readme"),
        ("caf\u00e9.py", "cafe\u0301.py"),
        ("stra\u00dfe.py", "STRASSE.py"),
        ("Web/a.js", "web/b.js"),
        ("a", "a/b.py"),
        ("a/b.py", "a"),
    ],
)
def test_two_names_that_are_one_file_on_some_system_are_refused(path: Path, first: str, second: str) -> None:
    with pytest.raises(UnsafeArchive) as caught:
        read_archive(write_zip(path, {first: b"1", second: b"2"}))
    assert [entry for entry, _ in caught.value.problems] == [second]
    assert_nothing_unpacked(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", "1")
        archive.writestr("a.py", "2")
    with pytest.raises(UnsafeArchive, match="there twice"):
        read_archive(path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_refused(path: Path, mode: int) -> None:
    with pytest.raises(UnsafeArchive, match=r"symbolic link|device"):
        read_archive(write_links(path, "passwords", mode | 0o644))
    assert_nothing_unpacked(path)


def test_all_bad_entries_are_named_at_once(path: Path) -> None:
    with pytest.raises(UnsafeArchive) as caught:
        read_archive(write_zip(path, {"../a": b"", "/b": b"", "fine": b"", "nul": b""}))
    assert [entry for entry, _ in caught.value.problems] == ["../a", "/b", "nul"]


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(path: Path) -> None:
    with pytest.raises(ArchiveTooLarge, match="ratio") as caught:
        read_archive(write_zip(path, {"zeros": b"\0" * 20_000_000}))
    assert caught.value.found > caught.value.allowed == 200


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(archive_bytes=100), "its size"),
        (Limits(unpacked_bytes=500), "unpacked size"),
        (Limits(file_bytes=500), "nodes.py"),
        (Limits(entries=2), "number of entries"),
    ],
)
def test_every_limit_is_kept(path: Path, limits: Limits, what: str) -> None:
    write_zip(path, GOOD)
    with pytest.raises(ArchiveTooLarge, match=what):
        read_archive(path, limits)


def test_entries_that_share_their_bytes_are_refused(path: Path) -> None:
    with pytest.raises(ArchiveError):
        read_archive(overlapping(path, 2, 1000))
    with pytest.raises(ArchiveError):
        read_archive(overlapping(path, 200, 1_000_000))


def test_a_huge_number_of_entries_is_refused_before_they_are_read(path: Path) -> None:
    overlapping(path, 60_000, 10)
    with pytest.raises(ArchiveTooLarge, match="number of entries"):
        read_archive(path, Limits(entries=50_000))


def test_a_size_that_lies_is_found(path: Path) -> None:
    content = b"honest content " * 1000
    write_zip(path, {"a.txt": content})
    smaller = struct.pack("<L", len(content) - 5000)
    replace_bytes(path, struct.pack("<L", len(content)), smaller)
    with pytest.raises(DamagedArchive, match="not what the directory says"):
        read_archive(path)
    assert_nothing_unpacked(path)


def test_a_changed_byte_is_found(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "the original text")
    replace_bytes(path, b"original", b"0riginal")
    with pytest.raises(DamagedArchive, match=r"a\.txt"):
        read_archive(path)


def test_an_encrypted_entry_is_refused(path: Path) -> None:
    write_zip(path, {"a.py": b"x"})

    def encrypted(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[6] |= 1
        changed[data.index(b"PK\x01\x02") + 8] |= 1
        return bytes(changed)

    with pytest.raises(UnsafeArchive, match="encrypted"):
        read_archive(edit(path, encrypted))


def test_a_compression_that_few_programs_know_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.py", "x" * 1000)
    with pytest.raises(UnsafeArchive, match="deflate"):
        read_archive(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_an_archive_that_is_cut_off_is_damaged(path: Path, share: float) -> None:
    write_zip(path, GOOD)
    edit(path, lambda data: data[: int(len(data) * share)])
    with pytest.raises(DamagedArchive):
        read_archive(path)


def test_a_file_that_is_no_zip_is_damaged(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(DamagedArchive, match="no zip"):
        read_archive(path)


@pytest.mark.parametrize("change", [lambda d: d + b"more", lambda d: b"#!/bin/sh\n" + d])
def test_bytes_before_or_after_an_archive_are_refused(path: Path, change: object) -> None:
    write_zip(path, GOOD)
    edit(path, change)  # type: ignore[arg-type]
    with pytest.raises(DamagedArchive):
        read_archive(path)


def test_a_file_hidden_between_two_others_is_found(path: Path) -> None:
    write_zip(path, {"a.py": b"a", "hidden.py": b"b" * 100, "z.py": b"z"})

    def without_middle(data: bytes) -> bytes:
        start = data.index(b"PK\x01\x02")
        second = data.index(b"PK\x01\x02", start + 1)
        third = data.index(b"PK\x01\x02", second + 1)
        end = data.index(b"PK\x05\x06")
        directory = data[start:second] + data[third:end]
        tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)
        return data[:start] + directory + tail

    with pytest.raises(DamagedArchive, match="hidden bytes"):
        read_archive(edit(path, without_middle))


def test_a_local_header_with_another_name_is_found(path: Path) -> None:
    write_zip(path, {"innocent.py": b"x"})
    replace_bytes(path, b"innocent.py", b"malice.py.x", first_only=True)
    with pytest.raises(DamagedArchive, match="contradicts"):
        read_archive(path)


def test_a_64_bit_archive_is_read_like_any_other(path: Path) -> None:
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive, archive.open("a.txt", "w", force_zip64=True) as out:
        out.write(b"large in principle")
    assert read_archive(path).names == ("a.txt",)


def test_an_archive_written_as_a_stream_is_read_like_any_other(path: Path) -> None:
    class Pipe:
        def __init__(self, file: object) -> None:
            self._file = file

        def write(self, data: bytes) -> int:
            return self._file.write(data)  # type: ignore[attr-defined,no-any-return]

        def flush(self) -> None:
            pass

    with path.open("wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        archive.writestr("a.txt", "first " * 100)
        archive.writestr("b.txt", "second " * 100)
    assert read_archive(path).names == ("a.txt", "b.txt")
