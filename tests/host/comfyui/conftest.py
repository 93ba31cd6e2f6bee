"""Packs loaded by a test are forgotten after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from host.comfyui import finder
from host.comfyui.loading import NAMESPACE, ComfyPack, load_pack
from tests.support.comfy_packs import TEST_PACK


@pytest.fixture(autouse=True)
def _forget_packs() -> Iterator[None]:
    modules = set(sys.modules)
    was_installed = any(isinstance(item, finder.PackModuleFinder) for item in sys.meta_path)
    finder.uninstall()
    yield
    finder.uninstall()
    if was_installed:
        finder.install()
    for name in set(sys.modules) - modules:
        if name.startswith(NAMESPACE):
            del sys.modules[name]


@pytest.fixture
def test_pack() -> ComfyPack:
    return load_pack(TEST_PACK)
