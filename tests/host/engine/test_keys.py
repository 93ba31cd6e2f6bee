"""What a cache key depends on."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.engine.keys import Keyring, Keys
from host.engine.services import NoServices
from host.folders import LocalFolders
from sdk.markers import Hidden
from sdk.nodes import Determinism, Input
from tests.support.engine import Bench, make_node
from tests.support.node_context import NoModels

TEXT = make_node("Text", lambda v: v, {"v": "*"})
SEES_ID = make_node("SeesId", lambda v, uid: v, {"v": "*"}, hidden={"uid": Hidden.UNIQUE_ID})
SELF_MADE = make_node("PerNode", lambda v: v, {"v": "*"}, determinism=Determinism.PER_NODE)
OUTSIDE = make_node("Outside", lambda v: v, {"v": "*"}, determinism=Determinism.EXTERNAL)


def keys(prompt: dict[str, Any], *nodes: Any, folders: Any = None) -> Keys:
    shown = {**prompt, "out": ("Show", {"v": [next(reversed(prompt)), 0]})}
    checked = Bench(TEXT, SEES_ID, SELF_MADE, OUTSIDE, *nodes).validate(shown)
    assert checked.error is None, checked
    ring = Keyring(folders or NoServices.folders, lambda node: {"uid": node.id} if node.schema.hidden else {})
    return ring.add(checked.nodes.values())


def key_of(node: tuple[str, dict[str, Any]], *nodes: Any) -> bytes | None:
    return keys({"1": node}, *nodes)["1"]


def test_node_ids_and_the_order_of_inputs_are_no_part_of_a_key() -> None:
    one = keys({"1": ("Number", {"value": 1}), "2": ("Add", {"a": ["1", 0], "b": 2})})
    other = keys({"x": ("Number", {"value": 1}), "y": ("Add", {"b": 2, "a": ["x", 0]})})
    assert one["2"] == other["y"]
    assert one["1"] == other["x"]


def test_constants_of_different_types_or_places_give_different_keys() -> None:
    values = [1, 1.0, True, "1", None, "", [1, "x", 2], {"a": 1}, {"b": 1}, {"a": "1"}, "null", b"1".decode()]
    found = [key_of(("Text", {"v": {"__value__": value}})) for value in values]
    assert len({*found}) == len({*map(repr, values)})
    swapped = [key_of(("Add", {"a": 1, "b": 2})), key_of(("Add", {"a": 2, "b": 1}))]
    assert swapped[0] != swapped[1]


def test_a_change_reaches_everything_downstream_and_nothing_else() -> None:
    def graph(value: int) -> dict[str, Any]:
        return {
            "1": ("Number", {"value": value}),
            "2": ("Number", {"value": 5}),
            "3": ("Add", {"a": ["1", 0], "b": 1}),
            "4": ("Add", {"a": ["3", 0], "b": ["2", 0]}),
        }

    before, after = keys(graph(1)), keys(graph(2))
    assert {node for node in before if before[node] != after[node]} == {"1", "3", "4", "out"}


def test_an_undeclared_constant_is_part_of_the_key() -> None:
    assert key_of(("Number", {"value": 1, "odd": 1})) != key_of(("Number", {"value": 1, "odd": 2}))


@pytest.mark.parametrize("kind", ["SeesId", "PerNode"])
def test_a_node_whose_place_matters_has_its_id_in_the_key(kind: str) -> None:
    assert keys({"1": (kind, {"v": 1})})["1"] != keys({"2": (kind, {"v": 1})})["2"]


def test_a_node_that_depends_on_the_outside_has_no_key_nor_has_what_needs_it() -> None:
    found = keys({"0": ("Text", {"v": 1}), "1": ("Outside", {"v": ["0", 0]}), "2": ("Text", {"v": ["1", 0]})})
    assert found["0"] is not None
    assert (found["1"], found["2"], found["out"]) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "cached"),
    [(1, True), ("x", True), (None, True), (float("nan"), False), ({"a": [1]}, True), (object(), False)],
)
def test_a_fingerprint_is_part_of_the_key_unless_it_is_nan_or_no_json(value: object, cached: bool) -> None:
    node = make_node("Printed", lambda v: v, {"v": "*"}, fingerprint=lambda inputs: value)
    other = make_node("Printed", lambda v: v, {"v": "*"}, fingerprint=lambda inputs: "another")
    key = key_of(("Printed", {"v": 1}), node)
    assert (key is not None) == cached
    assert key != key_of(("Printed", {"v": 1}), other)


def test_a_fingerprint_sees_constants_and_none_for_links_and_may_raise() -> None:
    seen: list[Any] = []

    def fingerprint(inputs: dict[str, Any]) -> None:
        seen.append(inputs)
        raise RuntimeError

    node = make_node("Printed", lambda a, b: a, {"a": "INT", "b": "INT"}, fingerprint=fingerprint)
    found = keys({"1": ("Number", {"value": 1}), "2": ("Printed", {"a": 4, "b": ["1", 0]})}, node)
    assert found["2"] is None
    assert seen == [{"a": 4, "b": None}]


def test_versions_of_a_pack_do_not_share_results() -> None:
    new = make_node("Versioned", lambda: 1, pack_version="2")
    assert key_of(("Versioned", {}), make_node("Versioned", lambda: 1)) != key_of(("Versioned", {}), new)


def test_a_file_that_is_read_counts_with_size_and_time(tmp_path: Path) -> None:
    folders = LocalFolders(tmp_path, NoModels())
    file = tmp_path / "input" / "a.txt"
    file.parent.mkdir()
    node = make_node("Read", lambda name: name, [Input(name="name", type="STRING")], reads=("name",))

    def key() -> bytes | None:
        return keys({"1": ("Read", {"name": "a.txt"})}, node, folders=folders)["1"]

    assert key() is None
    file.write_bytes(b"12")
    os.utime(file, ns=(1, 1))
    first = key()
    assert first is not None
    assert key() == first
    os.utime(file, ns=(1, 2))
    assert key() != first
    file.write_bytes(b"123")
    os.utime(file, ns=(1, 1))
    assert key() not in (first, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON.map(lambda value: {"v": {"__value__": value}}), min_size=2, max_size=2))
def test_keys_are_equal_exactly_where_values_and_their_types_are(pair: list[dict[str, Any]]) -> None:
    first, second = (key_of(("Text", inputs)) for inputs in pair)
    assert first is not None
    assert (first == second) == (_canonical(pair[0]) == _canonical(pair[1]))


def _canonical(value: Any) -> Any:
    """Equal for equal JSON values of equal types; -0.0 is not 0.0, and 1 is not True."""
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    return [_canonical(part) for part in value] if isinstance(value, list) else (type(value), repr(value))


def test_a_slot_is_part_of_the_key() -> None:
    two = make_node("Two", lambda: 1, outputs=("INT", "INT"))
    found = [keys({"1": ("Two", {}), "2": ("Text", {"v": ["1", slot]})}, two)["2"] for slot in (0, 1)]
    assert all(a != b for a, b in itertools.combinations(found, 2))
