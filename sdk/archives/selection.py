"""Which files of a folder belong into a pack's archive: as the Comfy Registry's own tools choose them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sdk.archives.errors import CannotBuild
from sdk.archives.names import collisions, name_problem
from sdk.manifest import PackManifest

IGNORE_FILE = ".comfyignore"
_NEVER = frozenset({"node.zip"})
_UNVERSIONED = (
    *("__pycache__/", "*.py[co]", ".git/", ".hg/", ".svn/", ".venv/", "venv/", "*.egg-info/", ".DS_Store"),
    *(".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".idea/", ".vscode/", "node_modules/", ".env"),
)


def select_files(folder: Path, manifest: PackManifest, *, without: Iterable[Path] = ()) -> dict[str, Path]:
    """The pack's files by their names in the archive, in the order of the names' bytes.

    What git tracks where the folder is in a git work tree, else everything but caches, environments and what
    ``.gitignore`` names; less what ``.comfyignore`` names; plus what the manifest ``includes``.

    Args:
        without: files to leave out, such as the archive being built.

    Raises:
        CannotBuild: a file is missing, is a link, or has a name that can't be used everywhere.
    """
    unwanted = _ignored(folder, IGNORE_FILE, ())
    names = [name for name in _candidates(folder) if not unwanted.match_file(name)]
    chosen = {*names, *_included(folder, manifest.includes)} - _NEVER
    chosen -= {name for name in chosen if fnmatchcase(name, f"{manifest.name}-*.zip")}  # built by an earlier run
    left_out = {path.resolve() for path in without}
    files = {name: folder / name for name in sorted(chosen, key=str.encode)}
    files = {name: path for name, path in files.items() if path.resolve() not in left_out}
    if problems := [*_problems(files)]:
        raise CannotBuild(folder, problems)
    return files


def _candidates(folder: Path) -> list[str]:
    tracked = _tracked(folder)
    if tracked:
        return tracked
    ignored = _ignored(folder, ".gitignore", _UNVERSIONED)
    return [name for name in _walk(folder, folder) if not ignored.match_file(name)]


def _tracked(folder: Path) -> list[str]:
    """What git tracks below the folder; nothing where there is no git, or no work tree."""
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--recurse-submodules"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return []
    if answer.returncode != 0:
        return []
    return [os.fsdecode(name) for name in answer.stdout.split(b"\0") if name]


def _included(folder: Path, includes: Iterable[str]) -> Iterator[str]:
    for item in includes:
        path = folder / item
        if not path.resolve().is_relative_to(folder.resolve()) or not path.exists():
            raise CannotBuild(folder, [f"tool.comfy.includes names {item!r}, which is nothing in this folder"])
        yield from _walk(path, folder) if path.is_dir() else [Path(os.path.normpath(item)).as_posix()]


def _walk(start: Path, folder: Path) -> Iterator[str]:
    """Names of all files below ``start``; folders that never hold a pack's files are not entered."""
    for place, folders, files in os.walk(start):
        folders[:] = [name for name in folders if f"{name}/" not in _UNVERSIONED]
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*files, *links):
            yield (Path(place) / name).relative_to(folder).as_posix()


def _ignored(folder: Path, name: str, patterns: Iterable[str]) -> Any:
    import pathspec  # here, so that reading an archive does not pay for it

    path = folder / name
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return pathspec.GitIgnoreSpec.from_lines([*patterns, *lines])


def _problems(files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if path.is_symlink():
            yield f"{name!r} is a symbolic link; put the file itself there, or name it in {IGNORE_FILE}"
        elif not path.is_file():
            yield f"{name!r} is tracked by git but not there; run `git rm --cached` for it, or bring it back"
        elif problem := name_problem(name):
            yield f"{name!r} {problem}; rename it"
    for name, problem in collisions(files):
        yield f"{name!r} {problem}; rename one"
