r"""Emphasis in prompts: ``(more)``, ``((much more))``, ``(exactly:1.3)``, and ``\(`` ``\)`` for plain parentheses.

A pair of parentheses multiplies the weight of its content by 1.1, or sets it where a number follows the
last colon. Parentheses without a partner are text. Time and memory are linear in the prompt's length,
and nesting is unlimited.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

NEUTRAL = 1.0
_STEP = 1.1
_ESCAPED = re.compile(r"\\([()])")
_MARK = re.compile(r"(?<!\\)[()]|:")


class Segment(NamedTuple):
    """A stretch of a prompt, with the weight of all its tokens."""

    text: str
    weight: float


class _Item(NamedTuple):
    """Characters ``start`` to ``end`` of the prompt; ``group`` where they are parentheses with their content."""

    start: int
    end: int
    group: bool


def split_emphasis(prompt: str) -> list[Segment]:
    r"""The prompt as segments of equal weight, in order, without the marks of emphasis and with escapes undone.

    ``"a (red:1.3) \(x\)"`` gives ``[("a ", 1.0), ("red", 1.3), (" (x)", 1.0)]``; weights may be negative,
    zero, infinite or NaN, as ``float`` reads them. The empty prompt has no segments.
    """
    marks = _Marks(prompt)
    segments: list[Segment] = []
    pending: list[tuple[Iterator[_Item], float]] = [(marks.items(0, len(prompt)), NEUTRAL)]
    while pending:
        items, weight = pending[-1]
        item = next(items, None)
        if item is None:
            pending.pop()
        elif item.group:
            end, inner = marks.group_weight(item.start + 1, item.end - 1, weight)
            pending.append((marks.items(item.start + 1, end), inner))
        else:
            segments.append(Segment(unescape(prompt[item.start : item.end]), weight))
    return segments


def unescape(text: str) -> str:
    r"""The text with ``\(`` and ``\)`` as plain parentheses."""
    return _ESCAPED.sub(r"\1", text)


class _Marks:
    """Where a prompt's unescaped parentheses and its colons are, found once for all levels of nesting."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._parentheses: list[int] = []
        self._colons: list[int] = []
        self._partner: dict[int, int] = {}
        open_: list[int] = []
        for mark in _MARK.finditer(prompt):
            at = mark.start()
            if mark[0] == ":":
                self._colons.append(at)
                continue
            self._parentheses.append(at)
            if mark[0] == "(":
                open_.append(at)
            elif open_:
                self._partner[open_.pop()] = at

    def items(self, start: int, end: int) -> Iterator[_Item]:
        """The text and the groups on the top level of a range.

        Each ``)`` too many hides one later ``(``: a group opens only where all earlier ones are closed.
        """
        depth = 0
        text_start = start
        index = bisect_left(self._parentheses, start)
        while index < len(self._parentheses) and (at := self._parentheses[index]) < end:
            index += 1
            if self._prompt[at] == ")":
                depth -= 1
            elif depth < 0:
                depth += 1
            else:
                if text_start < at:
                    yield _Item(text_start, at, group=False)
                partner = self._partner.get(at, end)
                if partner >= end:
                    yield self._unfinished(at, end)
                    return
                yield _Item(at, partner + 1, group=True)
                text_start = partner + 1
                index = bisect_left(self._parentheses, text_start, index)
        if text_start < end:
            yield _Item(text_start, end, group=False)

    def _unfinished(self, start: int, end: int) -> _Item:
        """From a ``(`` without partner to the end: a group only if a ``)`` happens to stand there."""
        last = self._parentheses[bisect_left(self._parentheses, end) - 1]
        return _Item(start, end, group=last == end - 1 > start and self._prompt[last] == ")")

    def group_weight(self, start: int, end: int, outer: float) -> tuple[int, float]:
        """Where a group's content ends once its ``:number`` is taken off, and the content's weight."""
        colon = _last_before(self._colons, end)
        last_parenthesis = _last_before(self._parentheses, end)
        if colon > max(start, last_parenthesis):
            try:
                return colon, float(self._prompt[colon + 1 : end])
            except ValueError:
                pass
        return end, outer * _STEP


def _last_before(positions: list[int], end: int) -> int:
    """The largest position below ``end``, or -1."""
    index = bisect_left(positions, end)
    return positions[index - 1] if index else -1
