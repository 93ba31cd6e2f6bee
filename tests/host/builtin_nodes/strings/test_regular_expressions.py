from __future__ import annotations

import pytest

from host.builtin_nodes.strings.regular_expressions import regex_extract, regex_match, regex_replace
from sdk import NodeError

TEXT = "a1 b22 c333"


@pytest.mark.parametrize(
    ("pattern", "mode", "group", "found"),
    [
        (r"\d+", "First Match", 1, "1"),
        (r"\d+", "All Matches", 1, "1\n22\n333"),
        (r"([a-z])\d+", "All Matches", 1, "a\nb\nc"),
        (r"([a-z])(\d+)", "All Matches", 2, "a\nb\nc"),
        (r"([a-z])(\d+)", "First Group", 2, "1"),
        (r"([a-z])(\d+)", "All Groups", 2, "1\n22\n333"),
        (r"([a-z])(\d+)", "All Groups", 0, "a1\nb22\nc333"),
        (r"([a-z])(\d+)", "All Groups", 3, ""),
        (r"[a-z]\d+", "First Group", 0, "a1"),
        (r"[a-z]\d+", "First Group", 1, ""),
        (r"[a-z]\d+", "All Groups", 0, ""),
        (r"z", "First Match", 1, ""),
        (r"z", "All Matches", 1, ""),
    ],
)
def test_what_is_extracted(pattern: str, mode: str, group: int, found: str) -> None:
    assert regex_extract(TEXT, pattern, mode, group_index=group) == found


def test_flags_change_what_a_pattern_finds() -> None:
    lines = "abc\nDEF"
    assert regex_match(lines, "^def$", multiline=True)
    assert not regex_match(lines, "^def$", case_insensitive=False, multiline=True)
    assert not regex_match(lines, "c.D")
    assert regex_match(lines, "c.D", dotall=True)
    assert regex_extract(lines, "^.", "All Matches", multiline=True) == "a\nD"


def test_replacing_stops_at_the_count_and_refuses_groups_that_are_not_there() -> None:
    assert regex_replace(TEXT, r"([a-z])(\d+)", r"\2\1", count=2) == "1a 22b c333"
    assert regex_replace("Ab", "a", "-") == "-b"
    with pytest.raises(NodeError, match="invalid group reference"):
        regex_replace(TEXT, r"\d", r"\1")
