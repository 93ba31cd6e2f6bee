"""An image API for all tests, and for the trials of every node."""

from __future__ import annotations

import os
from typing import Any

import pytest
from job_server import JobServer

from sdk import NodeType

SERVER = pytest.StashKey[JobServer]()


def pytest_configure(config: pytest.Config) -> None:
    server = config.stash[SERVER] = JobServer()
    os.environ.update(API_IMAGE_URL=server.address, API_IMAGE_KEY="a-key")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SERVER].close()


@pytest.hookimpl(optionalhook=True)
def pytest_sample_inputs(node: NodeType) -> dict[str, Any]:
    return {"width": 64, "height": 72}


@pytest.fixture
def server(pytestconfig: pytest.Config) -> JobServer:
    found = pytestconfig.stash[SERVER]
    found.reset()
    return found
