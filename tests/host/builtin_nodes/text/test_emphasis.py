"""Emphasis in prompts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.text.emphasis import split_emphasis, unescape


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("", []),
        ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
        ("(a (b:1.5) c:0.7)", [("a ", 0.7), ("b", 1.5), (" c", 0.7)]),
        ("(cat:-0.5)", [("cat", -0.5)]),
        ("(:1.3)", [(":1.3", 1.1)]),
        ("(cat:abc)", [("cat:abc", 1.1)]),
        (r"(cat \(animal\):1.2)", [("cat (animal)", 1.2)]),
        ("()", []),
    ],
)
def test_parentheses_set_the_weight_of_their_content(prompt: str, segments: list[tuple[str, float]]) -> None:
    assert split_emphasis(prompt) == segments


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("(cat", [("(cat", 1.0)]),
        ("cat))", [("cat))", 1.0)]),
        ("((cat)", [("(cat", 1.1)]),
        ("a) (b) ((c))", [("a) (b) (", 1.0), ("c", 1.1), (")", 1.0)]),
        ("((b:1.5)", [("(b", 1.5)]),
    ],
)
def test_parentheses_without_a_partner_are_text(prompt: str, segments: list[tuple[str, float]]) -> None:
    assert split_emphasis(prompt) == segments


def test_weights_may_be_infinite_or_not_a_number() -> None:
    (infinite,) = split_emphasis("(cat:inf)")
    (undefined,) = split_emphasis("(cat:nan)")

    assert infinite == ("cat", math.inf)
    assert math.isnan(undefined.weight)


@pytest.mark.parametrize(
    "prompt",
    [
        "(" * 100_000,
        ")" * 100_000,
        "(" * 100_000 + "a:1" + ")" * 100_000,
        "(" * 100_000 + ")" * 50_000,
        "(a:1" * 50_000 + ")" * 50_000,
        "(" + ":" * 100_000 + ")",
        "(" * 50_000 + ":" * 50_000 + ")" * 50_000,
    ],
    ids=lambda prompt: prompt[:4],
)
def test_a_hundred_thousand_parentheses_neither_recurse_nor_lose_text(prompt: str) -> None:
    text = "".join(segment.text for segment in split_emphasis(prompt))

    assert set(text) <= set(prompt)
    assert text.count("a") == prompt.count("a")


@given(st.text(alphabet="ab :.\n", max_size=50))
def test_a_prompt_without_parentheses_is_one_segment(prompt: str) -> None:
    assert split_emphasis(prompt) == ([(prompt, 1.0)] if prompt else [])


@given(st.text(alphabet="()a1:.\\ ", max_size=30))
def test_escaping_every_parenthesis_keeps_the_whole_prompt_at_weight_one(prompt: str) -> None:
    plain = prompt.replace("\\", "")
    escaped = plain.replace("(", r"\(").replace(")", r"\)")

    assert split_emphasis(escaped) == ([(plain, 1.0)] if plain else [])
    assert unescape(escaped) == plain


@given(st.text(alphabet="()a1:.\\ ", max_size=30))
def test_one_more_pair_of_parentheses_multiplies_by_a_tenth_more(prompt: str) -> None:
    balanced = prompt.replace("(", "").replace(")", "").replace(":", "").replace("\\", "")

    assert split_emphasis(f"({balanced})") == ([(balanced, 1.1)] if balanced else [])
