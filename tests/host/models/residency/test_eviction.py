from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host.models.residency.eviction import Candidate, choose_evictions

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        key=st.text("abcdef", min_size=1, max_size=3),
        bytes=st.integers(0, 50),
        reload_seconds=st.floats(0, 10),
        idle=st.integers(0, 5),
        evictable=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda candidate: candidate.key,
)
BYTES = st.integers(0, 200)


@given(CANDIDATES, BYTES, BYTES)
def test_what_is_chosen_suffices_or_is_all_there_is(candidates: list[Candidate], free: int, needed: int) -> None:
    chosen = set(choose_evictions(candidates, free, needed))
    evictable = {candidate.key: candidate.bytes for candidate in candidates if candidate.evictable and candidate.bytes}
    freed = sum(evictable[key] for key in chosen)
    assert freed + free >= needed or chosen == set(evictable)


@given(CANDIDATES, BYTES, BYTES)
def test_nothing_is_chosen_in_vain(candidates: list[Candidate], free: int, needed: int) -> None:
    chosen = choose_evictions(candidates, free, needed)
    sizes = {candidate.key: candidate.bytes for candidate in candidates}
    freed = sum(sizes[key] for key in chosen)
    if free + freed >= needed:
        assert all(free + freed - sizes[key] < needed for key in chosen)


@given(CANDIDATES, BYTES, BYTES)
def test_only_evictable_ones_leave_each_once(candidates: list[Candidate], free: int, needed: int) -> None:
    chosen = choose_evictions(candidates, free, needed)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= {candidate.key for candidate in candidates if candidate.evictable}


@given(CANDIDATES.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))), BYTES, BYTES)
def test_the_order_of_the_residents_does_not_matter(
    orders: tuple[list[Candidate], list[Candidate]], free: int, needed: int
) -> None:
    assert choose_evictions(orders[0], free, needed) == choose_evictions(orders[1], free, needed)


@given(CANDIDATES, BYTES)
def test_nobody_leaves_while_there_is_room(candidates: list[Candidate], free: int) -> None:
    assert choose_evictions(candidates, free, free) == ()


def test_of_equals_the_longest_idle_leaves() -> None:
    candidates = [Candidate(key=key, bytes=10, reload_seconds=1, idle=idle) for key, idle in (("a", 1), ("b", 3))]
    assert choose_evictions(candidates, 0, 5) == ("b",)


def test_of_equals_the_quickest_to_bring_back_leaves() -> None:
    candidates = [Candidate(key=key, bytes=10, reload_seconds=cost) for key, cost in (("a", 9.0), ("b", 1.0))]
    assert choose_evictions(candidates, 0, 5) == ("b",)


def test_of_equals_the_one_that_frees_most_leaves() -> None:
    candidates = [Candidate(key=key, bytes=size, reload_seconds=1) for key, size in (("a", 10), ("b", 20))]
    assert choose_evictions(candidates, 0, 5) == ("b",)
