"""Nodes for texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Multiline, NodeType, Options, TypedCombo, hookimpl, node

Text = Annotated[str, Multiline()]
_RESULT = ("The new text.",)


@node(id="StringConcatenate", title="Concatenate", category="utils/string", output_tooltips=_RESULT)
def string_concatenate(
    string_a: Text, string_b: Text, delimiter: Annotated[str, Options({"multiline": False})] = ""
) -> str:
    """Two texts as one.

    Args:
        string_a: The first text.
        string_b: The second text.
        delimiter: What goes between them.
    """
    return delimiter.join((string_a, string_b))


@node(id="StringSubstring", title="Substring", category="utils/string", output_tooltips=_RESULT)
def string_substring(string: Text, start: int, end: int) -> str:
    """A piece of a text.

    Args:
        string: The text.
        start: First character, counted from 0; negative numbers count from the end.
        end: The character after the last one; negative numbers count from the end.
    """
    return string[start:end]


@node(
    id="StringLength",
    title="Length",
    category="utils/string",
    names=("length",),
    output_tooltips=("Number of characters.",),
)
def string_length(string: Text) -> int:
    """How many characters a text has.

    Args:
        string: The text.
    """
    return len(string)


@node(id="CaseConverter", title="Case Converter", category="utils/string", output_tooltips=_RESULT)
def case_converter(
    string: Text,
    mode: Annotated[Literal["UPPERCASE", "lowercase", "Capitalize", "Title Case"], TypedCombo(multiselect=False)],
) -> str:
    """A text in capital or small letters.

    Args:
        string: The text.
        mode: Capitalize makes the first letter a capital and the rest small, Title Case every word.
    """
    match mode:
        case "UPPERCASE":
            return string.upper()
        case "lowercase":
            return string.lower()
        case "Capitalize":
            return string.capitalize()
        case "Title Case":
            return string.title()


@node(id="StringTrim", title="Trim", category="utils/string", output_tooltips=_RESULT)
def string_trim(string: Text, mode: Annotated[Literal["Both", "Left", "Right"], TypedCombo(multiselect=False)]) -> str:
    """A text without blanks and line breaks at its ends.

    Args:
        string: The text.
        mode: At which ends.
    """
    match mode:
        case "Both":
            return string.strip()
        case "Left":
            return string.lstrip()
        case "Right":
            return string.rstrip()


@node(id="StringReplace", title="Replace", category="utils/string", output_tooltips=_RESULT)
def string_replace(string: Text, find: Text, replace: Text) -> str:
    """A text with every occurrence of a piece replaced.

    Args:
        string: The text.
        find: The piece to look for.
        replace: What takes its place.
    """
    return string.replace(find, replace)


@node(
    id="StringContains",
    title="Contains",
    category="utils/string",
    names=("contains",),
    output_tooltips=("Whether it is there.",),
)
def string_contains(string: Text, substring: Text, case_sensitive: bool = True) -> bool:
    """Whether a text has a piece in it.

    Args:
        string: The text.
        substring: The piece to look for.
        case_sensitive: Tell capital from small letters.
    """
    return substring in string if case_sensitive else substring.lower() in string.lower()


@node(id="StringCompare", title="Compare", category="utils/string", output_tooltips=("Whether it is so.",))
def string_compare(
    string_a: Text,
    string_b: Text,
    mode: Annotated[Literal["Starts With", "Ends With", "Equal"], TypedCombo(multiselect=False)],
    case_sensitive: bool = True,
) -> bool:
    """Whether a text starts with, ends with or equals another.

    Args:
        string_a: The text.
        string_b: The other text.
        mode: Which of these.
        case_sensitive: Tell capital from small letters.
    """
    if not case_sensitive:
        string_a, string_b = string_a.lower(), string_b.lower()
    match mode:
        case "Starts With":
            return string_a.startswith(string_b)
        case "Ends With":
            return string_a.endswith(string_b)
        case "Equal":
            return string_a == string_b


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for texts."""
    return [
        string_concatenate,
        string_substring,
        string_length,
        case_converter,
        string_trim,
        string_replace,
        string_contains,
        string_compare,
    ]
