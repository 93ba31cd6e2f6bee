from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from host.builtin_nodes.sampling.ahead import WORKER, Ahead


class Squares:
    """Squares of numbers, with a note of who computed which."""

    def __init__(self) -> None:
        self.computed: list[tuple[int, int]] = []
        self.begun = threading.Event()

    def __call__(self, number: int) -> int:
        self.computed.append((number, threading.get_ident()))
        self.begun.set()
        if number < 0:
            raise ValueError(f"{number} is below 0.")
        return number**2


@pytest.fixture
def squares() -> Squares:
    return Squares()


@pytest.fixture
def ahead(squares: Squares) -> Iterator[Ahead[int, int]]:
    made = Ahead(squares, most=2)
    yield made
    made.close()


def test_what_nobody_foretold_is_computed_by_who_asks(ahead: Ahead[int, int], squares: Squares) -> None:
    assert ahead(3) == 9
    assert squares.computed == [(3, threading.get_ident())]


def test_what_is_foretold_is_computed_unasked_by_another_thread(ahead: Ahead[int, int], squares: Squares) -> None:
    ahead.foretell([5, 6])
    assert squares.begun.wait(timeout=60)
    assert squares.computed[0][0] == 5
    assert squares.computed[0][1] != threading.get_ident()


def test_results_come_in_the_order_foretold(ahead: Ahead[int, int], squares: Squares) -> None:
    ahead.foretell(range(7))
    assert [ahead(number) for number in range(7)] == [number**2 for number in range(7)]
    assert [number for number, _ in squares.computed] == list(range(7))


def test_anything_else_can_be_asked_for_between(ahead: Ahead[int, int]) -> None:
    ahead.foretell([1, 2, 3])
    assert [ahead(number) for number in (1, 9, 2, 8, 3, 7)] == [1, 81, 4, 64, 9, 49]


def test_only_so_many_results_wait_to_be_asked_for(ahead: Ahead[int, int], squares: Squares) -> None:
    ahead.foretell(range(100))
    ahead(0)
    ahead.close()
    assert len(squares.computed) <= 3


def test_an_error_is_raised_where_its_result_is_asked_for(ahead: Ahead[int, int]) -> None:
    ahead.foretell([1, -1, 2])
    assert ahead(1) == 1
    with pytest.raises(ValueError, match="-1 is below 0"):
        ahead(-1)
    assert ahead(2) == 4


def test_closing_leaves_no_thread_and_loses_no_answer(ahead: Ahead[int, int], squares: Squares) -> None:
    before = set(threading.enumerate())
    ahead.foretell(range(50))
    ahead.close()
    assert not {thread for thread in threading.enumerate() if thread.name.startswith(WORKER)} - before
    assert ahead(30) == 900
    assert squares.computed[-1] == (30, threading.get_ident())


def test_another_forecast_replaces_the_first(ahead: Ahead[int, int]) -> None:
    ahead.foretell([1, 2, 3])
    ahead.foretell([4, 5])
    assert [ahead(4), ahead(5), ahead(1)] == [16, 25, 1]
