"""Nodes that are there more than once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_client.duplicates import (
    PACKS_FOR_A_PROCESS,
    Member,
    find_duplicates,
    fold_node,
    read_node_map,
    read_packs,
)
from registry_client.duplicates_page import render
from registry_client.errors import BadRequirement, NotThere
from tests.support.registry_folder import write_pack

CODE = """
class {name}:
    CATEGORY = "x"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"image": ("IMAGE",), "amount": ("FLOAT", {{"default": 1.0}})}}}}

    def run(self, image, amount):
        result = image * amount
        for step in range(10):
            result = result.clamp(0, 1) + step * amount - image.mean()
            if result.max() > {limit}:
                result = result / result.max()
        return (result.reshape(image.shape), )

NODE_CLASS_MAPPINGS = {{"{name}": {name}}}
"""


def kinds(members: Iterable[Member]) -> list[tuple[str, str]]:
    return [(group.kind, group.key) for group in find_duplicates(members)]


def test_the_same_id_in_two_packs_is_found_and_within_one_pack_is_not() -> None:
    assert kinds([Member("a", "X"), Member("b", "X"), Member("c", "Y"), Member("c", "Y")]) == [("id", "X")]


def test_ids_that_differ_only_in_case_and_punctuation_are_found() -> None:
    members = [Member("a", "Load Image+"), Member("b", "load_image"), Member("b", "Else")]
    assert kinds(members) == [("folded id", "loadimage")]


def test_titles_and_code_are_compared() -> None:
    members = [Member("a", "X", "Blur", "c1"), Member("b", "Y", "Blur", "c2"), Member("c", "Z", "", "c1")]
    assert kinds(members) == [("title", "Blur"), ("code", "c1")]


def test_similar_code_is_found_by_whoever_can() -> None:
    @dataclass(frozen=True)
    class Alike:
        members: tuple[str, ...]
        similarity: float

    members = [Member("a", "X", code="1", signature=(1,)), Member("b", "Y", code="2", signature=(1,))]
    (group,) = find_duplicates(members, lambda signatures, threshold: [Alike(("0", "1"), 0.9)])
    assert (group.kind, group.similarity) == ("similar code", 0.9)


@given(st.text(max_size=20))
def test_folding_is_stable(text: str) -> None:
    assert fold_node(fold_node(text)) == fold_node(text)


def test_ids_without_letters_are_not_all_the_same() -> None:
    assert fold_node("✨") != fold_node("🔥")


def test_a_catalogue_of_forty_thousand_nodes_is_not_compared_pair_by_pair() -> None:
    members = [Member(f"pack-{n % 5900}", f"Node {n if n % 20 else n % 400} {n % 7}") for n in range(40_000)]
    start = time.process_time()
    groups = find_duplicates(members)
    assert time.process_time() - start < 20, "half a second is usual; benchmarks/client.py measures it"
    assert groups


def test_packs_in_a_folder_are_read_without_running_them(tmp_path: Path) -> None:
    write_pack(tmp_path / "one", "one", "1", ["Same", "Mine"])
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "__init__.py").write_text(CODE.format(name="Same", limit=5) + "\nraise SystemExit")
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "__init__.py").write_text(CODE.format(name="Other", limit=6))
    members = list(read_packs(tmp_path))
    assert {(member.pack, member.id) for member in members} == {
        ("one", "Same"),
        ("one", "Mine"),
        ("two", "Same"),
        ("three", "Other"),
    }
    from sdk.similarity import near

    found = {group.kind for group in find_duplicates(members, near, 0.6)}
    assert {"id", "similar code"} <= found


def test_a_folder_without_packs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="holds no packs"):
        list(read_packs(tmp_path))


def test_a_catalogue_is_read_and_anything_else_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"https://x/a": [["X", "Y"], {"title_aux": "a"}]}))
    assert list(read_node_map(path)) == [Member("https://x/a", "X"), Member("https://x/a", "Y")]
    path.write_text("[1]")
    with pytest.raises(BadRequirement):
        list(read_node_map(path))


def test_the_page_shows_everything_and_needs_nothing(tmp_path: Path) -> None:
    page = render(find_duplicates([Member("a<b>", "X & Y"), Member("c", "X & Y", place="n.py:3")]))
    assert "a&lt;b&gt;" in page
    assert "X &amp; Y" in page
    assert "n.py:3" in page
    assert "http" not in page
    assert "<script" not in page
    assert "There are none." in render([])


def test_many_packs_are_read_by_several_processes_and_come_in_order(tmp_path: Path) -> None:
    names = [f"pack-{number:02}" for number in range(2 * PACKS_FOR_A_PROCESS)]
    for name in names:
        write_pack(tmp_path / name, name, "1.0", nodes=[f"Node {name}"])
    found = list(read_packs(tmp_path))
    assert [(member.pack, member.id) for member in found] == [(name, f"Node {name}") for name in names]
    assert found[0].code
    assert next(iter(read_packs(tmp_path / names[0]))) == found[0]
