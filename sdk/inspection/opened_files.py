"""Files of the pack that its own code reads while it is imported: lists of nodes in JSON or TOML, versions."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdk.inspection.paths import text_of
from sdk.inspection.values import Arguments, CannotKnow, Dict, FileValue, Keywords, List, Native, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

UNREAD = "it is read from a file when the code runs"


def open_file(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """``open()`` of a text file of the pack, for reading.

    Raises:
        CannotKnow: it lies elsewhere, is no text, or is not opened for reading.
    """
    path = text_of(args[0] if args else keywords.get("file"))
    mode = args[1] if len(args) > 1 else keywords.get("mode", "r")
    text = run.files.read_text(path) if isinstance(mode, str) and set(mode) <= set("rbtU") else None
    if text is None:
        raise CannotKnow(UNREAD)
    return FileValue(text)


def attribute(value: FileValue, name: str, missing: Value) -> Value:
    """A method of an opened file; ``missing`` where it is not known here."""
    match name:
        case "read":
            return Native(name, lambda args, keywords: value.text)
        case "readlines":
            return Native(name, lambda args, keywords: List(value.text.splitlines(keepends=True)))
        case "close" | "seek" | "__enter__" | "__exit__":
            return Native(name, lambda args, keywords: None)
    return missing


def _parsed(parse: Callable[[str], Any], value: Value) -> Value:
    text = value.text if isinstance(value, FileValue) else value
    if not isinstance(text, str):
        raise CannotKnow(UNREAD)
    try:
        return _value(parse(text))
    except (ValueError, RecursionError) as error:
        raise CannotKnow(f"the file can't be parsed ({error})") from error


def _value(parsed: Any) -> Value:
    if isinstance(parsed, dict):
        return Dict((key, _value(item)) for key, item in parsed.items())
    if isinstance(parsed, list):
        return List(map(_value, parsed))
    return parsed


def _json(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return _parsed(json.loads, args[0])


def _toml(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return _parsed(tomllib.loads, args[0])


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    **dict.fromkeys(("open", "io.open", "codecs.open"), open_file),
    **dict.fromkeys(("json.load", "json.loads"), _json),
    **dict.fromkeys(("tomllib.load", "tomllib.loads", "tomli.load", "tomli.loads"), _toml),
}
