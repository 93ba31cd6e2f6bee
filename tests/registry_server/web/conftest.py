"""A registry with packs worth looking at, whose authors put HTML and SQL into every text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_server.settings import Settings
from tests.registry_server.web.shown import fill
from tests.support.registry import Registry, registry


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Packs in every state, seen by all tests of a module."""
    data = tmp_path_factory.mktemp("site")
    shutil.copyfile(sqlite_template, data / "registry.sqlite3")
    with registry(Settings(data=data, writes_per_minute=0)) as found:
        fill(found)
        yield found
