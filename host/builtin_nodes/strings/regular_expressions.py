"""Nodes that search texts with regular expressions (Python's ``re``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Multiline, NodeError, NodeType, Omittable, Range, TypedCombo, hookimpl, node

Text = Annotated[str, Multiline()]
Flag = Annotated[bool, Omittable()]


class BadPattern(NodeError):
    """A pattern is no regular expression."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(pattern, reason)
        self.pattern, self.reason = pattern, reason

    def __str__(self) -> str:
        return f"The pattern {self.pattern!r} can't be used: {self.reason}. Correct it."


def compiled(pattern: str, *, case_insensitive: bool, multiline: bool, dotall: bool) -> re.Pattern[str]:
    """The pattern with its flags.

    Raises:
        BadPattern: it is no regular expression.
    """
    flags = re.IGNORECASE * case_insensitive | re.MULTILINE * multiline | re.DOTALL * dotall
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise BadPattern(pattern, str(error)) from error


@node(
    id="RegexMatch",
    title="Regex Match",
    category="utils/string",
    names=("matches",),
    output_tooltips=("Whether it is found; no for a pattern that is no regular expression.",),
)
def regex_match(
    string: Text,
    regex_pattern: Text,
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
) -> bool:
    """Whether a pattern is found in a text.

    Args:
        string: The text.
        regex_pattern: The regular expression.
        case_insensitive: Capital and small letters are the same.
        multiline: ^ and $ also stand for the ends of each line.
        dotall: A dot also stands for a line break.
    """
    try:
        pattern = compiled(regex_pattern, case_insensitive=case_insensitive, multiline=multiline, dotall=dotall)
    except BadPattern:
        return False
    return pattern.search(string) is not None


@node(
    id="RegexExtract",
    title="Regex Extract",
    category="utils/string",
    output_tooltips=("What was found, several on lines of their own; empty where nothing was.",),
)
def regex_extract(
    string: Text,
    regex_pattern: Text,
    mode: Annotated[Literal["First Match", "All Matches", "First Group", "All Groups"], TypedCombo(multiselect=False)],
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    group_index: Annotated[int, Range(0, 100)] = 1,
) -> str:
    """What a pattern finds in a text.

    Args:
        string: The text.
        regex_pattern: The regular expression.
        mode: The first match; all matches, of each only the first group if the pattern has groups; or one group of
            the first match or of all.
        case_insensitive: Capital and small letters are the same.
        multiline: ^ and $ also stand for the ends of each line.
        dotall: A dot also stands for a line break.
        group_index: Which group, counted from 1; 0 is the whole match, in "All Groups" of a pattern with groups.
    """
    try:
        pattern = compiled(regex_pattern, case_insensitive=case_insensitive, multiline=multiline, dotall=dotall)
    except BadPattern:
        return ""
    group = {"First Match": 0, "All Matches": min(1, pattern.groups)}.get(mode, group_index)
    if group > pattern.groups or (mode == "All Groups" and not pattern.groups):
        return ""
    found = [match[group] or "" for match in pattern.finditer(string)]
    return "\n".join(found if mode.startswith("All") else found[:1])


@node(id="RegexReplace", title="Regex Replace", category="utils/string", output_tooltips=("The new text.",))
def regex_replace(
    string: Text,
    regex_pattern: Text,
    replace: Text,
    case_insensitive: Flag = True,
    multiline: Flag = False,
    dotall: Flag = False,
    count: Annotated[int, Range(0, 100), Omittable()] = 0,
) -> str:
    r"""A text with everything that a pattern finds replaced.

    Args:
        string: The text.
        regex_pattern: The regular expression.
        replace: What takes its place; \1 stands for the first group.
        case_insensitive: Capital and small letters are the same.
        multiline: ^ and $ also stand for the ends of each line.
        dotall: A dot also stands for a line break.
        count: How often at most; 0 means always.
    """
    pattern = compiled(regex_pattern, case_insensitive=case_insensitive, multiline=multiline, dotall=dotall)
    try:
        return pattern.sub(replace, string, count=count)
    except (re.error, IndexError) as error:
        raise BadPattern(replace, str(error)) from error


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for regular expressions."""
    return [regex_match, regex_extract, regex_replace]
