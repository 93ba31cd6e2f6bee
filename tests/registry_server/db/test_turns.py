"""Turns of threads that write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from registry_server.db import database as database_module
from registry_server.db.database import Database
from registry_server.db.turns import NoTurn, Turns
from registry_server.errors import Unavailable


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database whose connections never wait for SQLite's own lock."""
    never = tuple(p for p in database_module._PRAGMAS if "busy_timeout" not in p)
    monkeypatch.setattr(database_module, "_PRAGMAS", ("PRAGMA busy_timeout=0", *never))
    with closing(Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")) as found:
        with found.write() as session:
            session.execute(text("CREATE TABLE seen (name TEXT)"))
        yield found


def insert(database: Database, name: str) -> None:
    with database.write() as session:
        session.execute(text("INSERT INTO seen VALUES (:name)"), {"name": name})


def insert_and_fail(database: Database) -> None:
    with database.write() as session:
        session.execute(text("INSERT INTO seen VALUES ('lost')"))
        raise ZeroDivisionError


def seen(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT name FROM seen")))


def test_who_comes_while_another_thread_writes_waits_and_does_not_ask_in_vain(impatient: Database) -> None:
    with ThreadPoolExecutor() as pool:
        with impatient.write() as session:
            session.execute(text("INSERT INTO seen VALUES ('first')"))
            second = pool.submit(insert, impatient, "second")
            with pytest.raises(TimeoutError):
                second.exception(timeout=0.2)
        second.result(timeout=60)
    assert seen(impatient) == ["first", "second"]


def test_many_threads_write_without_one_being_turned_away(impatient: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: insert(impatient, str(number)), range(100)))
    assert len(seen(impatient)) == 100


def test_a_transaction_that_writes_nothing_yet_keeps_nobody_waiting(impatient: Database) -> None:
    with impatient.write():
        insert(impatient, "meanwhile")
    assert seen(impatient) == ["meanwhile"]


def test_a_transaction_that_fails_lets_the_next_one_write(impatient: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        insert_and_fail(impatient)
    insert(impatient, "kept")
    assert seen(impatient) == ["kept"]


def test_another_program_that_writes_is_waited_for_only_so_long(impatient: Database, tmp_path: Path) -> None:
    other = impatient.raw_connection()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        insert(impatient, "in vain")
    other.execute("ROLLBACK")
    other.close()
    insert(impatient, "later")
    assert seen(impatient) == ["later"]


def test_turns_come_in_order_and_may_end_in_another_thread() -> None:
    turns, order = Turns(60), list[int]()
    first = turns.turn()
    first.__enter__().take()

    def go(number: int) -> None:
        with turns.turn() as turn:
            turn.take()
            order.append(number)

    with ThreadPoolExecutor() as pool:
        waiting = []
        for number in range(5):
            waiting.append(pool.submit(go, number))
            while turns.length < number + 2:
                threading.Event().wait(0.001)
        pool.submit(first.__exit__, None, None, None)
        for done in waiting:
            done.result(timeout=60)
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_too_long_is_told_and_leaves_the_line() -> None:
    turns = Turns(0.01)
    with turns.turn() as first:
        first.take()
        with pytest.raises(NoTurn, match=r"0\.01 s"), turns.turn() as second:
            second.take()
    with turns.turn() as third:
        third.take()
