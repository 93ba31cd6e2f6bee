"""A chat endpoint for all tests, and for the trials of every node."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from chat_server import ChatServer

SERVER = pytest.StashKey[ChatServer]()


def pytest_configure(config: pytest.Config) -> None:
    server = config.stash[SERVER] = ChatServer()
    os.environ.update(
        PROMPT_ENHANCER_URL=server.address,
        PROMPT_ENHANCER_KEY="a-key",
        PROMPT_ENHANCER_MODEL="praise-1",
        PROMPT_ENHANCER_PRICES="1.0,2.0",
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SERVER].close()


@pytest.fixture
def server(pytestconfig: pytest.Config) -> Iterator[ChatServer]:
    found = pytestconfig.stash[SERVER]
    found.script, found.requests, found.keys = [], [], []
    yield found
    assert found.script == []
