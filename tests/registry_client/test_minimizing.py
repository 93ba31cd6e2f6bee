"""Delta debugging."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from registry_client.minimizing import smallest_failing


@given(st.integers(1, 60), st.sets(st.integers(0, 59), min_size=1, max_size=5))
def test_exactly_the_guilty_ones_are_found(count: int, guilty: set[int]) -> None:
    guilty = {item % count for item in guilty}
    found = smallest_failing(range(count), lambda items: guilty <= set(items))
    assert set(found) == guilty


def test_a_single_culprit_among_many_takes_few_tries() -> None:
    tries: list[int] = []

    def fails(items: Sequence[int]) -> bool:
        tries.append(len(items))
        return 77 in items

    assert smallest_failing(range(128), fails) == (77,)
    assert len(tries) <= 16
