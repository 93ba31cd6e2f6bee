"""The files that nodes may read and the places they may write: one base folder, and nothing outside it.

Layout: ``models/<kind>``, ``input``, ``output``, ``temp``, ``user``; each of the last four may lie elsewhere.
Names come from workflows, so from strangers: every one is checked before the disk is touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sdk.context import SavePlace
from sdk.errors import NodeError
from sdk.part_files import remove_stale_parts

ROOTS = ("input", "output", "temp", "user")
ANNOTATED = re.compile(r"(?P<name>.*?) ?\[(?P<root>input|output|temp)\]", re.DOTALL)
DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)
IMAGE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".ief", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
        *(".png", ".pnm", ".ppm", ".ras", ".rgb", ".svg", ".tif", ".tiff", ".webp", ".xbm", ".xpm", ".xwd"),
    )
)
VIDEO_SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"))
AUDIO_SUFFIXES = frozenset((".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"))
INPUT_SORTS = {
    "image": IMAGE_SUFFIXES,
    "latent": frozenset((".latent",)),
    "video": VIDEO_SUFFIXES,
    "audio": AUDIO_SUFFIXES | VIDEO_SUFFIXES,
}


class UnsafeName(NodeError):
    """A name leads, or might lead on some system, to a place outside its folder."""

    def __init__(self, name: str, root: str, reason: str) -> None:
        super().__init__(name, root, reason)
        self.name, self.root, self.reason = name, root, reason

    def __str__(self) -> str:
        return f"The name {self.name!r} {self.reason}. Use a relative name that stays inside the {self.root} folder."


class MissingFile(NodeError):
    """No such file where nodes may read."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self.name, self.folder = name, folder

    def __str__(self) -> str:
        return f"There is no file {self.name!r} in {self.folder}. Upload it, or pick one that is there."


class UnusableFolder(NodeError):
    """A folder that nodes should write to can't be made or read."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return f"Can't use the folder {self.folder}: {self.reason}. Check its permissions and the space on its disk."


class ModelNames(Protocol):
    """Model files by kind, as the model library knows them."""

    def names(self, kind: str) -> Sequence[str]:
        """File names of a kind, relative, sorted."""

    def find(self, kind: str, name: str) -> Path:
        """The file of that name; raises NodeError that lists what there is."""


class LocalFolders:
    """``sdk.context.Folders`` on this machine's disk.

    Args:
        base: holds ``input``, ``output``, ``temp`` and ``user``; made when first written to.
        models: answers for model files.
        elsewhere: folders that lie outside ``base``, by their names in ``ROOTS``.
        now: local time, for the date tokens of file prefixes.
    """

    def __init__(
        self,
        base: Path,
        models: ModelNames,
        *,
        elsewhere: Mapping[str, Path] | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._models, self._now = models, now
        self._roots = {name: Path(os.path.abspath(base), name) for name in ROOTS}
        for name, folder in (elsewhere or {}).items():
            self._roots[name] = Path(os.path.abspath(folder))

    def root(self, name: str) -> Path:
        """The folder of that name; KeyError for none of ``ROOTS``."""
        return self._roots[name]

    def names(self, kind: str) -> Sequence[str]:
        return self._models.names(kind)

    def find(self, kind: str, name: str) -> Path:
        return self._models.find(kind, name)

    def input_names(self, sort: str | None = None) -> list[str]:
        """Names of the files directly in the input folder, sorted; of one of ``INPUT_SORTS``, or all."""
        suffixes = None if sort is None else INPUT_SORTS[sort]
        try:
            entries = list(os.scandir(self._roots["input"]))
        except FileNotFoundError:
            return []
        names = (entry.name for entry in entries if os.path.isfile(entry.path) and not self._leads_out(entry))
        return sorted(name for name in names if suffixes is None or os.path.splitext(name)[1].lower() in suffixes)

    def choices(self, source: str) -> Sequence[str]:
        """What a ``Choice(source=…)`` of files offers: ``input``, ``input:<sort>`` or ``folder:<kind>``.

        Raises:
            LookupError: the source is none of files.
        """
        if source == "input":
            return self.input_names()
        area, _, kind = source.partition(":")
        if area == "input" and kind in INPUT_SORTS:
            return self.input_names(kind)
        if area == "folder" and kind:
            return self.names(kind)
        raise LookupError(f"{source!r} is no source of files")

    def input_file(self, name: str) -> Path:
        """An existing file: of the input folder, or where ``name [output]`` or ``name [temp]`` says.

        Raises:
            UnsafeName: the name leads out of that folder.
            MissingFile: there is no such file.
        """
        annotated = ANNOTATED.fullmatch(name)
        root, name = (annotated["root"], annotated["name"]) if annotated else ("input", name)
        path = self.inside(root, name)
        try:
            if path.is_file():
                return path
        except OSError as error:  # a name longer than the file system takes
            raise MissingFile(name, self._roots[root]) from error
        raise MissingFile(name, self._roots[root])

    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        """Where the files of a prefix go; makes the folder, and removes what killed writers left in it.

        Args:
            prefix: may name sub-folders, and hold ``%width%``, ``%height%``, ``%year%``, ``%month%``, ``%day%``,
                ``%hour%``, ``%minute%``, ``%second%``.
            root: "output", "temp" or "input".
            size: width and height of the picture; 0 and 0 where there is none.

        Raises:
            UnsafeName: the prefix leads out of the folder.
            UnusableFolder: the folder can't be made or read.
        """
        target = self.inside(root, self._filled_in(prefix, size or (0, 0)))
        at_root = target == self._roots[root]  # an empty prefix: files are then called "._00001_"
        folder, stem = (target, ".") if at_root else (target.parent, target.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = os.listdir(folder)
        except OSError as error:
            raise UnusableFolder(folder, error.strerror or str(error)) from error
        remove_stale_parts(folder, names)
        counter = max((_number(name, stem) for name in names), default=0) + 1
        subfolder = folder.relative_to(self._roots[root]).as_posix()
        return SavePlace(folder, stem, counter, "" if subfolder == "." else subfolder, root)

    def check_writable(self, name: str) -> None:
        """Look, without making anything, whether files could be put into a root.

        Raises:
            UnusableFolder: they could not; its reason says why.
        """
        folder = nearest = self._roots[name]
        try:
            while not nearest.exists():
                nearest = nearest.parent
            if not nearest.is_dir():
                raise UnusableFolder(folder, f"{nearest} is a file")
        except OSError as error:
            raise UnusableFolder(folder, error.strerror or str(error)) from error
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UnusableFolder(folder, f"nothing can be written to {nearest}")

    def inside(self, root: str, name: str) -> Path:
        """The path of a name below a root, which need not exist.

        Raises:
            UnsafeName: it is absolute, leads out (also through a link), or names a device on some system.
        """
        if "\0" in name or not _encodable(name):
            raise UnsafeName(name, root, "holds characters that no file name can have")
        if os.path.isabs(name) or os.path.splitdrive(name)[0] or (os.name == "nt" and ":" in name):
            raise UnsafeName(name, root, "is absolute")
        relative = Path(os.path.normpath(name))
        if ".." in relative.parts:
            raise UnsafeName(name, root, "leads out of its folder")
        if device := next((part for part in relative.parts if DEVICE_NAME.fullmatch(part)), None):
            raise UnsafeName(name, root, f"contains {device!r}, which Windows takes for a device")
        path = self._roots[root] / relative
        if not self._is_below(path, root):
            raise UnsafeName(name, root, "follows a link out of its folder")
        return path

    def _leads_out(self, entry: os.DirEntry[str]) -> bool:
        return entry.is_symlink() and not self._is_below(Path(entry.path), "input")

    def _is_below(self, path: Path, root: str) -> bool:
        """Whether a path, all links followed, lies in a root; a link that leads to itself leads nowhere else."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._roots[root]))

    def _filled_in(self, prefix: str, size: tuple[int, int]) -> str:
        if "%" not in prefix:
            return prefix
        now = self._now()
        tokens = {"width": str(size[0]), "height": str(size[1]), "year": str(now.year)}
        tokens |= {name: f"{getattr(now, name):02d}" for name in ("month", "day", "hour", "minute", "second")}
        return re.sub(rf"%({'|'.join(tokens)})%", lambda match: tokens[match[1]], prefix)


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _number(name: str, stem: str) -> int:
    """The number in ``<stem>_<number>_…``; 0 for any other file name."""
    head = os.path.normcase(name[: len(stem) + 1])
    digits = name[len(stem) + 1 :].partition("_")[0]
    return int(digits) if head == os.path.normcase(stem) + "_" and digits.isdecimal() else 0
