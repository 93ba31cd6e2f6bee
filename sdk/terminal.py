"""The terminal: consoles, log lines and tables that can be read at any width, and in a pipe.

File names, titles, packs' names and messages come from strangers. What a terminal would take for a command to it, or
for a change of the reading direction, is shown as ``\\x1b`` or ``\\u202e`` by everything here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

NOISY_LIBRARIES = ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY", "TORCH_CPP_LOG_LEVEL")
_MARKS = {logging.WARNING: "\033[33mwarning:\033[0m", logging.ERROR: "\033[31merror:\033[0m"}
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""All control characters but line feed and tab, those that turn the reading direction or break lines, and halves of
characters, which no terminal takes."""


def escaped(text: str) -> str:
    """The text with every character that a terminal would obey written as an escape sequence of Python's."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class _SafeConsole(Console):
    """Shows strangers' texts as they are written; its own colours and cursor movements are no part of them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)


def stdout() -> Console:
    """What was asked for; lines are never broken where they go into a pipe or file."""
    return _SafeConsole(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """Everything else: progress, warnings, errors."""
    return _SafeConsole(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def say(console: Console, text: str, style: str = "") -> None:
    """Print a text as it is: no markup, wrapped between words where there is a width."""
    console.print(Text(escaped(text), style=style))


def print_line(text: str) -> None:
    """Print a line on standard output: exactly this one for another program, one that is safe to show on a terminal."""
    print(escaped(text) if sys.stdout.isatty() else text)


def print_json(data: Any, *, indent: int | None = 2) -> None:
    """Print a JSON value on standard output; what a terminal would obey stands there in JSON's own escapes."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    print(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def say_error(text: str) -> None:
    """Print what went wrong on standard error."""
    stderr().print(Text.assemble(("error: ", "bold red"), text))


def print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: folded to a terminal's width without losing a letter; elsewhere one line each, aligned."""
    if console.is_terminal:
        console.print(folding_table(headings, rows))
        return
    lines = [list(headings), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (" ".join(cell.split("\n")).ljust(width) for cell, width in zip(line, widths, strict=True))
        console.print(Text("  ".join(cells).rstrip()), soft_wrap=True)


def folding_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> Table:
    """A table whose cells are plain text and break into lines instead of being cut off; the last column yields most."""
    table = Table(box=box.SIMPLE_HEAD if headings else None, pad_edge=False, show_header=bool(headings), padding=(0, 1))
    for number, row in enumerate(rows):
        if not number:
            for position in range(len(row)):
                heading = headings[position] if headings else ""
                table.add_column(heading, overflow="fold", header_style="bold", ratio=None)
        first, *others = map(escaped, row)
        table.add_row(Text(" " * indent + first), *map(Text, others))
    return table


def start_logging(level: str) -> None:
    """Log to standard error; below "info", libraries' advice to programmers is left out.

    Raises:
        BadParameter: there is no such level.
    """
    known = {name: number for name, number in logging.getLevelNamesMapping().items() if name not in ("NOTSET", "WARN")}
    number = known.get(level.upper())
    if number is None:
        raise typer.BadParameter(f"{level!r} is no log level; there are debug, info, warning and error")
    handler = _StandardError()
    handler.setFormatter(_LogLines(with_names=number < logging.WARNING))
    logging.basicConfig(level=number, handlers=[handler], force=True)
    logging.captureWarnings(True)
    if number > logging.INFO:
        logging.getLogger("py.warnings").setLevel(logging.ERROR)
        for variable in NOISY_LIBRARIES:
            os.environ.setdefault(variable, "error")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment, so that lines and progress bars don't run into each other."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _LogLines(logging.Formatter):
    """``warning: text``; with the logger's name where details are wanted."""

    def __init__(self, *, with_names: bool) -> None:
        super().__init__("%(name)s: %(message)s" if with_names else "%(message)s")
        self._with_names = with_names

    def format(self, record: logging.LogRecord) -> str:
        colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        plain = f"{record.levelname.lower()}:"
        mark = _MARKS.get(record.levelno, plain) if colour else plain
        return f"{mark} {escaped(super().format(record))}"
