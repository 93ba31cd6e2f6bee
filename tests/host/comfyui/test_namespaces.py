"""Packs that import plain names from their own folders do not get each other's modules."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from host.comfyui.loading import ComfyPack, load_pack
from host.comfyui.namespaces import namespace_finder
from tests.support.comfy_packs import Caller, node_of, write_pack

ON_PATH = """
    import os, sys
    sys.path.{how}os.path.dirname(__file__))
    import probe_utils
    from probe_nodes import NODE_CLASS_MAPPINGS
"""
NODES = """
    import probe_utils
    from probe_tools import deep
    class A:
        RETURN_TYPES = ("STRING",)
        FUNCTION = "go"
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}}
        def go(self):
            import probe_late
            from probe_tools.later import word
            return (" ".join([probe_utils.NAME, deep.NAME, probe_late.NAME, word]),)
    NODE_CLASS_MAPPINGS = {"A": A}
"""


@pytest.fixture(autouse=True)
def _path_is_undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith("probe_")]:
        del sys.modules[name]


def pack_named(folder: Path, name: str, how: str = "insert(0, ") -> ComfyPack:
    says = f"NAME = {name!r}"
    pack = write_pack(folder / name, ON_PATH.format(how=how), probe_utils=says, probe_nodes=NODES, probe_late=says)
    (pack / "probe_tools").mkdir()
    for module, text in {"__init__": "", "deep": "from . import own\nNAME = own.NAME", "own": says}.items():
        (pack / "probe_tools" / f"{module}.py").write_text(text)
    (pack / "probe_tools" / "later.py").write_text("from .own import NAME as word")
    return load_pack(pack)


def said(pack: ComfyPack, folder: Path) -> object:
    return Caller(node_of(pack, "A"), folder)().outputs[0]


@pytest.mark.parametrize("how", ["insert(0, ", "append("])
def test_packs_with_modules_of_one_name_each_get_their_own(tmp_path: Path, how: str) -> None:
    packs = {name: pack_named(tmp_path, name, how) for name in ("one", "two", "three")}
    for _ in range(2):
        assert {name: said(pack, tmp_path) for name, pack in packs.items()} == {
            "one": "one one one one",
            "two": "two two two two",
            "three": "three three three three",
        }


def test_packs_that_run_at_once_do_not_get_each_other_s_modules(tmp_path: Path) -> None:
    packs = [pack_named(tmp_path, f"pack{number}") for number in range(6)]
    found: list[object] = [None] * len(packs)
    ready = threading.Barrier(len(packs))

    def call(number: int) -> None:
        ready.wait()
        found[number] = said(packs[number], tmp_path)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(packs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [" ".join([f"pack{number}"] * 4) for number in range(len(packs))]


def test_an_installed_module_is_the_same_for_all(tmp_path: Path) -> None:
    pack = pack_named(tmp_path, "one")
    (pack.folder / "probe_utils.py").write_text("import json\nNAME = json")
    pack.unload()
    assert load_pack(pack.folder).module.probe_utils.NAME is sys.modules["json"]


def test_a_pack_does_not_see_the_modules_of_another(tmp_path: Path) -> None:
    pack_named(tmp_path, "one")
    folder = write_pack(tmp_path / "two", "import probe_utils\nNODE_CLASS_MAPPINGS = {}")
    with pytest.raises(ModuleNotFoundError, match="probe_utils"):
        load_pack(folder)


def test_a_pack_that_fails_leaves_no_plain_modules(tmp_path: Path) -> None:
    source = ON_PATH.format(how="insert(0, ") + "\n    raise ValueError('no')"
    folder = write_pack(tmp_path / "bad", source, probe_utils="", probe_nodes="NODE_CLASS_MAPPINGS = {}")
    with pytest.raises(ValueError, match="no"):
        load_pack(folder)
    assert not [name for name in sys.modules if name.startswith("probe_")]
    assert said(pack_named(tmp_path, "good"), tmp_path) == "good good good good"


def test_a_pack_that_is_loaded_again_is_imported_afresh(tmp_path: Path) -> None:
    pack = pack_named(tmp_path, "again")
    (pack.folder / "probe_utils.py").write_text("NAME = 'changed now'")
    pack.unload()
    assert said(load_pack(pack.folder), tmp_path) == "changed now again again again"


def test_what_packs_alone_have_is_shown_to_the_libraries_they_import_and_to_no_other_thread(tmp_path: Path) -> None:
    pack = pack_named(tmp_path, "one")

    def library() -> Any:
        return importlib.import_module("node_helpers")

    with namespace_finder().entered(namespace_finder().namespace(pack.folder)):
        with ThreadPoolExecutor(1) as other, pytest.raises(ModuleNotFoundError):
            other.submit(library).result()
        assert library().__name__ == "node_helpers"
    with pytest.raises(ModuleNotFoundError):
        library()
