"""``--set`` on the command line."""

from __future__ import annotations

from typing import Annotated

import pytest

from host.engine.catalogue import Catalogue
from host.errors import OverrideError
from host.overrides import apply_overrides
from sdk import Choice, node


@node(id="Sampler")
def sampler(
    seed: int = 0, cfg: float = 1.0, mode: Annotated[str, Choice(values=("a", 2))] = "a", text: str = ""
) -> int:
    return seed


PROMPT = {
    "3": {"class_type": "Sampler", "inputs": {"seed": 1}, "_meta": {"title": "First"}},
    "4": {"class_type": "Sampler", "inputs": {"seed": 2}, "_meta": {"title": "Twin"}},
    "5": {"class_type": "Sampler", "inputs": {"seed": 2}, "_meta": {"title": "Twin"}},
}


def apply(*overrides: str) -> dict:
    catalogue = Catalogue()
    catalogue.add(sampler)
    return apply_overrides(PROMPT, overrides, catalogue.current())


def test_values_are_read_as_the_input_wants_them() -> None:
    changed = apply("3.seed=42", "3.cfg=2.5", "3.mode=2", "3.text=a = b, 7", 'First.text="quoted"')
    assert changed["3"]["inputs"] == {"seed": 42, "cfg": 2.5, "mode": 2, "text": '"quoted"'}


def test_text_that_looks_like_a_number_stays_text() -> None:
    assert apply("3.text=42")["3"]["inputs"]["text"] == "42"


def test_the_prompt_itself_is_not_changed() -> None:
    apply("3.seed=42")
    assert PROMPT["3"]["inputs"]["seed"] == 1


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("3.seed", "write it as node.input=value"),
        ("seed=4", "write it as node.input=value"),
        ("9.seed=4", "there is no node '9'; there are: 3 (Sampler)"),
        ("Twin.seed=4", "2 nodes are titled 'Twin' (4, 5)"),
        ("3.sede=4", "Sampler has no input 'sede'; it has: seed, cfg, mode, text"),
        ("3.seed=four", "'four' is no INT"),
    ],
)
def test_a_mistake_is_named_with_what_there_is(override: str, said: str) -> None:
    with pytest.raises(OverrideError) as caught:
        apply(override)
    assert said in str(caught.value)


def test_text_in_brackets_is_a_link_only_where_it_leads_to_a_node() -> None:
    changed = apply("3.text=[1, 2]", '4.text=["3", 0]', '5.text=["9", 0]')
    assert [changed[node_id]["inputs"]["text"] for node_id in "345"] == ["[1, 2]", ["3", 0], '["9", 0]']
