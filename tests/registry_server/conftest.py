"""Registries on every kind of database; storages of every kind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry_server.db.database import Database
from registry_server.db.migrate import migrate
from registry_server.settings import Settings
from tests.support import postgres
from tests.support.registry import Registry, registry

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A PostgreSQL server for the whole run."""
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip(postgres.MISSING)
    with (
        tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder,
        postgres.running(binaries, Path(folder) / "server") as address,
    ):
        yield address


@pytest.fixture(scope="session")
def postgres_template(postgres_address: str) -> str:
    """Name of a database with our schema, to be copied."""
    address = postgres.new_database(postgres_address)
    _migrated(address)
    return postgres.name_in(address)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with our schema, to be copied."""
    path = tmp_path_factory.mktemp("template") / "registry.sqlite3"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A registry's empty database of each kind."""
    with _new_database(request, tmp_path / "data") as address:
        yield address


@pytest.fixture(scope="module", params=DATABASES)
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An empty registry for all tests of a module; they may only read what its first user has put there."""
    folder = tmp_path_factory.mktemp("shared") / "data"
    with (
        _new_database(request, folder) as address,
        registry(Settings(data=folder, database_url=address, writes_per_minute=0)) as found,
    ):
        yield found


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", database_url=database_url, writes_per_minute=0)


@pytest.fixture
def server(settings: Settings) -> Iterator[Registry]:
    """An empty registry."""
    with registry(settings) as found:
        yield found


@contextmanager
def _new_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_address")
        address = postgres.new_database(server, request.getfixturevalue("postgres_template"))
        yield address
        postgres.drop_database(server, postgres.name_in(address))
        return
    folder.mkdir()
    shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "registry.sqlite3")
    yield f"sqlite:///{folder / 'registry.sqlite3'}"


def _migrated(address: str) -> None:
    database = Database(address)
    migrate(database)
    database.close()
