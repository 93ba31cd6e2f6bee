"""Packs loaded by a test are forgotten after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from host.comfyui import finder
from host.comfyui.home import Home
from host.comfyui.loading import NAMESPACE, ComfyPack, load_pack
from tests.support.comfy_packs import TEST_PACK

if TYPE_CHECKING:
    from tests.support.comfy_probe import ProbedHost


@pytest.fixture(autouse=True)
def _forget_packs() -> Iterator[None]:
    modules = set(sys.modules)
    home, Home.current = Home.current, None
    was_installed = any(isinstance(item, finder.PackModuleFinder) for item in sys.meta_path)
    finder.uninstall()
    yield
    Home.current = home
    finder.uninstall()
    if was_installed:
        finder.install()
    for name in set(sys.modules) - modules:
        if name.startswith(NAMESPACE):
            del sys.modules[name]


@pytest.fixture(scope="session")
def _probed(tmp_path_factory: pytest.TempPathFactory) -> ProbedHost:
    from tests.support.comfy_probe import ProbedHost

    return ProbedHost(tmp_path_factory.mktemp("probed"))


@pytest.fixture
def probed(_probed: ProbedHost, _forget_packs: None) -> ProbedHost:
    """A host with a tiny model, in whose node a test's function can be run."""
    _probed.attach()
    return _probed


@pytest.fixture
def test_pack() -> ComfyPack:
    return load_pack(TEST_PACK)
