from __future__ import annotations

from typing import Annotated, Literal

from host.builtin_nodes.typed_choices import typed_choices, typed_sources
from host.engine.object_info import describe
from host.engine.schemas import prepare
from sdk import Choice, node


@typed_choices(multiselect=False)
@node(id="Chosen")
def chosen(mode: Literal["a", "b"] = "a", count: int = 1) -> str:
    return mode * count


@typed_sources()
@node(id="Named")
def named(file: Annotated[str, Choice(source="input:video")]) -> str:
    return file


def test_the_newer_spelling_lists_the_choices_among_the_options() -> None:
    declared = chosen.input("mode")
    assert declared is not None
    assert declared.config() == ["COMBO", {"default": "a", "multiselect": False, "options": ["a", "b"]}]


def test_values_that_are_not_listed_are_refused_by_name() -> None:
    assert chosen.validation.check(mode="b") is True
    assert chosen.validation.check(mode=None) is True  # linked
    assert chosen.validation.check(mode="c") == "mode is 'c', which is none of 'a', 'b'"
    assert chosen.validation.names == {"mode"}


def test_what_the_host_offers_is_listed_too() -> None:
    described = describe(prepare(named, lambda source: ["x.mp4"] if source == "input:video" else []).node)
    assert described["input"]["required"]["file"] == ["COMBO", {"options": ["x.mp4"]}]
