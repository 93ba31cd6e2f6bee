from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sdk.similarity import Copy, Signature, near, similarity, vendored


def signature_of(seed: int) -> Signature:
    source = random.Random(seed)
    return tuple(source.randrange(2**32) for _ in range(128))


def changed(signature: Signature, places: int) -> Signature:
    return tuple((value + 1) % 2**32 if n < places else value for n, value in enumerate(signature))


def test_near_copies_are_grouped_with_their_similarity() -> None:
    base = signature_of(1)
    groups = near([("a", base), ("b", changed(base, 6)), ("c", base), ("far", signature_of(2))], 0.8)
    assert [group.members for group in groups] == [("a", "b", "c")]
    assert groups[0].similarity == similarity(base, changed(base, 6)) == 122 / 128


def test_names_with_the_same_signature_are_a_group() -> None:
    assert [group.members for group in near([("b", signature_of(1)), ("a", signature_of(1))], 0.9)] == [("a", "b")]


def test_what_is_less_alike_than_asked_is_left_out() -> None:
    base = signature_of(1)
    assert near([("a", base), ("b", changed(base, 40))], 0.8) == ()


def test_pairs_at_the_threshold_are_found_nearly_all() -> None:
    source = random.Random(7)
    pairs = [(signature_of(seed), source.sample(range(128), 25)) for seed in range(300)]  # 103/128 are the same
    found = [
        near([("a", base), ("b", tuple(v ^ 1 if n in places else v for n, v in enumerate(base)))], 0.8)
        for base, places in pairs
    ]
    assert sum(map(bool, found)) >= 295


def test_empty_signatures_resemble_nothing() -> None:
    assert near([("a", ()), ("b", ())], 0.5) == ()


@given(st.lists(st.integers(0, 3), max_size=12))
def test_every_name_is_in_one_group_at_most(seeds: list[int]) -> None:
    groups = near([(f"n{n}", signature_of(seed)) for n, seed in enumerate(seeds)], 0.9)
    members = [name for group in groups for name in group.members]
    assert len(members) == len(set(members))
    assert {len(group.members) for group in groups} == {c for c in map(seeds.count, set(seeds)) if c > 1}


def test_a_pack_inside_another_is_named_as_a_copy() -> None:
    codes = {"small": ["a", "b", "c"], "large": ["a", "b", "c", "d", "e", "f", "g"], "other": ["a", "x", "y"]}
    assert vendored(codes) == (Copy("small", "large", 1.0),)


def test_two_packs_that_are_the_same_are_named_both_ways() -> None:
    assert vendored({"one": ["a", "b"], "two": ["b", "a"]}) == (Copy("one", "two", 1.0), Copy("two", "one", 1.0))


def test_one_shared_node_is_no_copy_of_a_pack() -> None:
    assert vendored({"one": ["a", ""], "two": ["a", "", "b"]}) == ()
