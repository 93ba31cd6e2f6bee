"""Connections and transactions: one transaction per request, either for reading or for writing."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from registry_server.db.turns import NoTurn, Turn, Turns
from registry_server.errors import BadRequest, Unavailable

logger = logging.getLogger(__name__)

BUSY_SECONDS = 30
"""So long a transaction waits for another program that is writing into the same SQLite file."""
TURN_SECONDS = 60
"""So long it waits for its turn among those of this program."""
THREADS = 16
"""So many requests are answered from the database at once; more would only wait for each other."""
CONNECTIONS = 2 * THREADS
"""More than the threads, so that none waits for a connection."""
_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",  # first, as the others may have to wait as well
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-2000",  # of each connection; the system keeps the file's pages in memory anyway
)


class Database:
    """SQLite or PostgreSQL. Safe between threads; those that write into SQLite do so in turn.

    Attributes:
        writes: how many transactions this process has committed; what was read before may be old once it differs.

    Args:
        address: ``sqlite:///file`` or ``postgresql+psycopg://…``.

    Raises:
        BadRequest: the address is of no kind we know.
    """

    def __init__(self, address: str) -> None:
        self.writes = 0
        self._engine = _engine(address)
        self._turns = Turns(TURN_SECONDS)

    @property
    def engine(self) -> Engine:
        """For migrations."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file; PostgreSQL otherwise."""
        return self._engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """The SQLite file."""
        return Path(self._engine.url.database or "") if self.is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the data and changes nothing.

        Raises:
            Unavailable: the database can't be reached.
        """
        with self._reachable(), Session(self._engine, autoflush=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A transaction for reading whose every query sees the same state of the data."""
        with self._reachable(), Session(self._engine, autoflush=False) as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the block's end, and undone where the block raises.

        Raises:
            Unavailable: the database can't be reached, or is full.
        """
        with self._reachable(), self._turns.turn() as turn:
            engine = self._engine.execution_options(writes=turn)
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        self.writes += 1

    @property
    def driver_error(self) -> type[Exception]:
        """The root of what ``raw_connection`` raises."""
        return self._engine.dialect.loaded_dbapi.Error

    def raw_connection(self) -> Any:
        """A connection of the driver itself, outside the pool; each statement is a transaction of its own.

        Raises ``driver_error`` where the database can't be reached.
        """
        dialect = self._engine.dialect
        arguments, options = dialect.create_connect_args(self._engine.url)
        if not self.is_sqlite:
            return dialect.connect(*arguments, **options, autocommit=True)
        connection = dialect.connect(*arguments, **{**options, "check_same_thread": False})
        _prepare(connection, None)
        return connection

    def check(self) -> None:
        """Return if the database answers.

        Raises:
            Unavailable: it does not.
        """
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeout, NoTurn) as error:
            logger.error("the database failed: %s", error)
            raise Unavailable("The database can't be reached at the moment; nothing was changed. Try again.") from error
        except DBAPIError as error:
            if type(error) is DatabaseError:
                raise Unavailable("The database is none of ours, or is damaged; nothing was changed.") from error
            if not error.connection_invalidated:
                raise
            raise Unavailable("The database's connection broke; nothing was changed. Try again.") from error


def _engine(address: str) -> Engine:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise BadRequest(f"{address!r} is no address of a database: {error}.") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=CONNECTIONS, max_overflow=8, pool_pre_ping=True)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise BadRequest(f"{address!r}: the registry works with sqlite:///file and postgresql://… databases.")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=8, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own way locks too late
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    turn: Turn | None = connection.get_execution_options().get("writes")
    if turn is not None:
        turn.take()
    connection.exec_driver_sql("BEGIN" if turn is None else "BEGIN IMMEDIATE")
