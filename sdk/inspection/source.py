"""Reads a pack's files as Python would, within bounds."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from pathlib import Path

MAX_SOURCE = 8_000_000  # bytes; the largest known pack module has under 2 MB


class Unreadable(Exception):
    """A file that is no Python source that this version can read; ``reason`` says why."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def parse_file(path: Path) -> ast.Module:
    """The syntax tree of a source file; byte-order marks and coding cookies are honoured.

    Raises:
        Unreadable: it is too large, in an unknown encoding, nested too deep, or no valid Python 3.
    """
    try:
        if path.stat().st_size > MAX_SOURCE:
            raise Unreadable(f"the file is larger than {MAX_SOURCE:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"the file can't be read ({error.strerror})") from error
    return parse(decode(data))


def decode(data: bytes) -> str:
    """The text of a source file, with the encoding it declares.

    Raises:
        Unreadable: the encoding is unknown, or the bytes are not in it.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding, line_buffering=True).read()
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"the encoding is not what the file says ({error})", 1) from error


def parse(source: str) -> ast.Module:
    """The syntax tree of a source text.

    Raises:
        Unreadable: as in ``parse_file``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        raise Unreadable(f"the syntax is not that of Python 3 ({error.msg})", error.lineno or 0) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"the file can't be parsed ({error or type(error).__name__})") from error
