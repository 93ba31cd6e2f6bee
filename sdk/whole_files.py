"""Files and folders that appear whole or not at all.

They are written under a hidden name beside their place, and take their name in one step: readers see what was there
before, or all of the new. An error, a full disk and Ctrl-C leave nothing behind; of a killed process the hidden ones
stay, which ``part_files.remove_stale_parts`` knows by their names.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdk.part_files import part_name

Buffer = bytes | memoryview


@contextmanager
def whole_file(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """A path to write a file under, which takes the place of ``target`` when the block ends; its folder is made.

    Args:
        durable: from then on the file survives a power cut too; that takes as long as the disk does.

    Raises:
        OSError: it can't be written; the target, which the error names, is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with part_file(target.parent) as part, _named(target, part):
        yield part
        if durable:
            _sync_file(part)
        os.replace(part, target)
    if durable:
        sync_folder(target.parent)


def write_whole_file(target: Path, pieces: Iterable[Buffer], *, durable: bool = True) -> None:
    """Write the pieces one after another; as ``whole_file`` does."""
    with whole_file(target, durable=durable) as part, part.open("xb") as file:
        file.writelines(pieces)


@contextmanager
def part_file(folder: Path) -> Iterator[Path]:
    """A hidden path to write a file under whose name is found later; what got no name is removed at the end."""
    part = folder / part_name()
    try:
        yield part
    finally:
        with suppress(OSError):  # mostly it has its name by now; what can't be removed will be stale
            part.unlink()


def take_free_name(part: Path, target: Path) -> bool:
    """Give a written file its name, durably; False where the name is taken, also by a writer who is a moment ahead.

    Raises:
        OSError: the disk refused.
    """
    _sync_file(part)
    try:
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if not _replace_own(part, target):
            return False
    sync_folder(target.parent)
    return True


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of ``target`` when the block ends: of nothing, or an empty folder.

    Raises:
        OSError: it can't be written; the target is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / part_name()
    try:
        part.mkdir()
        yield part
        if target.is_dir():
            target.rmdir()  # Windows renames nothing onto a folder
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _named(target: Path, part: Path) -> Iterator[None]:
    """Errors about the hidden file name the one that it was to become."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and Path(error.filename) == part:
            error.filename, error.filename2 = str(target), None
        raise


def _sync_file(path: Path) -> None:
    """Bring a file's bytes to the disk, whoever wrote them."""
    with path.open("rb+" if os.name == "nt" else "rb") as file:  # Windows flushes none that is open for reading alone
        os.fsync(file.fileno())


def _replace_own(part: Path, target: Path) -> bool:
    """Take the name with an empty file first, and then put the written one in its place."""
    try:
        target.open("xb").close()
    except FileExistsError:
        return False
    try:
        os.replace(part, target)
    except OSError:
        target.unlink()
        raise
    return True
