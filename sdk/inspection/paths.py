"""``pathlib`` paths, as far as a pack needs them to find its own files."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sdk.inspection.values import CannotKnow, FileValue, List, Native, PathValue, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def attribute(run: Interpreter, path: PathValue, name: str, missing: Value) -> Value:
    """An attribute or bound method of a path; ``missing`` where it is not known here."""
    pure = PurePosixPath(path.text)
    match name:
        case "name" | "stem" | "suffix":
            return getattr(pure, name)
        case "parent":
            return PathValue(str(pure.parent))
        case "parts":
            return pure.parts
        case "parents":
            return tuple(PathValue(str(parent)) for parent in pure.parents)
    method = _METHODS.get(name)
    return missing if method is None else Native(name, lambda args, keywords: method(run, path.text, args))


def _same(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return PathValue(posixpath.normpath(text))


def _join(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return PathValue(posixpath.join(text, *map(text_of, args)))


def _relative_to(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return PathValue(posixpath.relpath(text, text_of(args[0])))


def _with_suffix(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    try:
        return PathValue(str(PurePosixPath(text).with_suffix(text_of(args[0]))))
    except ValueError as error:
        raise CannotKnow(str(error)) from error


def _with_name(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return PathValue(posixpath.join(posixpath.dirname(text), text_of(args[0])))


def _glob(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return _paths(run.files.matching(posixpath.join(text, text_of(args[0]))))


def _rglob(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return _paths(run.files.matching(posixpath.join(text, "**", text_of(args[0]))))


def _iterdir(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    names = run.files.listing(text)
    return _paths(None if names is None else [posixpath.join(text, name) for name in names])


def _is_file(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return known(run.files.is_file(text))


def _is_folder(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return known(run.files.is_folder(text))


def _exists(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return known(run.files.is_folder(text)) or known(run.files.is_file(text))


def _read_text(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return known(run.files.read_text(text))


def _open(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    found = run.files.read_text(text)
    if found is None or not all(isinstance(mode, str) and set(mode) <= set("rbtU") for mode in args[:1]):
        raise CannotKnow("it is read from a file when the code runs")
    return FileValue(found)


def _as_posix(run: Interpreter, text: str, args: tuple[Value, ...]) -> Value:
    return text


def known(answer: Value) -> Value:
    """The answer.

    Raises:
        CannotKnow: it is None.
    """
    if answer is None:
        raise CannotKnow("it depends on files outside the pack")
    return answer


def text_of(value: Value) -> str:
    """A path or text as text.

    Raises:
        CannotKnow: it is neither.
    """
    if isinstance(value, PathValue):
        return value.text
    if isinstance(value, str):
        return value
    raise CannotKnow("the path is known only when the code runs")


def join_path(left: PathValue, right: Value) -> Value:
    """``left / right``."""
    text = right.text if isinstance(right, PathValue) else right
    if not isinstance(text, str):
        raise CannotKnow("the path is known only when the code runs")
    return PathValue(posixpath.join(left.text, text))


def _paths(found: list[str] | None) -> Value:
    return List(PathValue(path) for path in known(found))


_METHODS: Mapping[str, Callable[[Interpreter, str, tuple[Value, ...]], Value]] = {
    **dict.fromkeys(("resolve", "absolute", "expanduser"), _same),
    "joinpath": _join,
    "relative_to": _relative_to,
    "with_suffix": _with_suffix,
    "with_name": _with_name,
    "glob": _glob,
    "rglob": _rglob,
    "iterdir": _iterdir,
    "is_file": _is_file,
    "is_dir": _is_folder,
    "exists": _exists,
    "read_text": _read_text,
    "open": _open,
    "as_posix": _as_posix,
    "__str__": _as_posix,
}
