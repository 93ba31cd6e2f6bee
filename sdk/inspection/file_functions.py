"""Functions of libraries by which packs find their own files."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from sdk.inspection.files import MODELS_HOST, PLACE
from sdk.inspection.paths import known, text_of
from sdk.inspection.values import (
    Arguments,
    Dict,
    Keywords,
    List,
    Made,
    Module,
    Native,
    PathValue,
    Rounds,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def _path_function(function: Callable[..., Value]) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    return lambda run, args, keywords: function(*map(text_of, args))


def _isfile(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return known(run.files.is_file(text_of(args[0])))


def _isdir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return known(run.files.is_folder(text_of(args[0])))


def _exists(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return _isfile(run, args, keywords) or _isdir(run, args, keywords)


def _listdir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return List(known(run.files.listing(text_of(args[0]))))


def _scandir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    folder = text_of(args[0])
    entries = []
    for name in known(run.files.listing(folder)):
        path = posixpath.join(folder, name)
        checks = {
            "is_file": Native("is_file", lambda a, k, p=path: run.files.is_file(p)),  # type: ignore[misc]
            "is_dir": Native("is_dir", lambda a, k, p=path: run.files.is_folder(p)),  # type: ignore[misc]
        }
        entries.append(Module(file="", name="", names=Dict({"name": name, "path": path, **checks})))
    return List(entries)


def _walk(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    start = text_of(args[0])
    known(run.files.listing(start))
    return Rounds(lambda: _walked(run, start))


def _walked(run: Interpreter, folder: str) -> Iterator[Value]:
    """Top down, into the folders that are still in the list that was given."""
    names = known(run.files.listing(folder))
    folders = List(name for name in names if run.files.is_folder(posixpath.join(folder, name)))
    yield folder, folders, List(name for name in names if name not in folders)
    for name in folders:
        if isinstance(name, str) and run.files.is_folder(posixpath.join(folder, name)):
            yield from _walked(run, posixpath.join(folder, name))


def _glob(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    pattern = text_of(args[0])
    if (root := keywords.get("root_dir")) is None:
        return List(known(run.files.matching(posixpath.normpath(pattern))))
    start = text_of(root)
    found = known(run.files.matching(posixpath.normpath(posixpath.join(start, pattern))))
    return List(posixpath.relpath(path, start) for path in found)


def _path(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return PathValue(posixpath.join("", *map(text_of, args)) if args else ".")


def _matches(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return fnmatch.fnmatchcase(text_of(args[0]), text_of(args[1]))


def _matching(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    names = run.iterate(args[0])
    return List((name for name in names if fnmatch.fnmatchcase(text_of(name), text_of(args[1]))), names.holes)


def _folder_paths(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if args[:1] == ("custom_nodes",):
        return List([PLACE])
    return Made(run.external("folder_paths.get_folder_paths"), args, dict(keywords), "", 0)


def _working_folder(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return MODELS_HOST


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    "os.path.join": _path_function(posixpath.join),
    "os.path.dirname": _path_function(posixpath.dirname),
    "os.path.basename": _path_function(posixpath.basename),
    "os.path.splitext": _path_function(posixpath.splitext),
    "os.path.split": _path_function(posixpath.split),
    "os.path.relpath": _path_function(posixpath.relpath),
    **dict.fromkeys(
        ("os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.expanduser"),
        _path_function(posixpath.normpath),
    ),
    "os.fspath": _path_function(posixpath.normpath),
    "os.path.isfile": _isfile,
    "os.path.isdir": _isdir,
    "os.path.exists": _exists,
    "os.listdir": _listdir,
    "os.scandir": _scandir,
    "os.walk": _walk,
    **dict.fromkeys(("glob.glob", "glob.iglob"), _glob),
    **dict.fromkeys(("pathlib.Path", "pathlib.PurePath"), _path),
    **dict.fromkeys(("os.getcwd", "pathlib.Path.cwd"), _working_folder),
    "folder_paths.get_folder_paths": _folder_paths,
    **dict.fromkeys(("fnmatch.fnmatch", "fnmatch.fnmatchcase"), _matches),
    "fnmatch.filter": _matching,
}
