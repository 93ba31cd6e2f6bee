"""A ComfyUI pack is recognised from its source, without running any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.comfyui.inspection import is_comfyui_pack
from host.comfyui.plugin import choose_pack_loader
from tests.support.comfy_packs import TEST_PACK, write_pack


@pytest.mark.parametrize(
    "source",
    [
        "NODE_CLASS_MAPPINGS = {}",
        "NODE_CLASS_MAPPINGS: dict = {}",
        "A = NODE_CLASS_MAPPINGS = {}",
        "NODE_CLASS_MAPPINGS, B = {}, {}",
        "from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS",
        "from .nodes import MAPPINGS as NODE_CLASS_MAPPINGS",
        "try:\n    from .nodes import NODE_CLASS_MAPPINGS\nexcept ImportError:\n    pass",
        "if True:\n    with open('x'):\n        NODE_CLASS_MAPPINGS = {}",
        "async def comfy_entrypoint(): ...",
        "def comfy_entrypoint(): ...",
        "NODE_CLASS_MAPPINGS = {\n",
    ],
)
def test_source_that_binds_a_list_of_nodes_is_a_pack(tmp_path: Path, source: str) -> None:
    assert is_comfyui_pack(write_pack(tmp_path / "pack", f"raise SystemExit\n{source}\n"))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 'NODE_CLASS_MAPPINGS'",
        "# NODE_CLASS_MAPPINGS = {}",
        "def f():\n    NODE_CLASS_MAPPINGS = {}",
        "class A:\n    NODE_CLASS_MAPPINGS = {}",
        "print(NODE_CLASS_MAPPINGS)",
        "from .gone import *",
        "from ..outside import *",
        "from os import *",
        "def broken(:",
    ],
)
def test_other_source_is_no_pack(tmp_path: Path, source: str) -> None:
    (tmp_path / "outside.py").write_text("NODE_CLASS_MAPPINGS = {}")
    assert not is_comfyui_pack(write_pack(tmp_path / "pack", source))


def test_star_imports_inside_the_pack_are_followed(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", "from .a import *", a="from .b import *", b="NODE_CLASS_MAPPINGS = {}")
    assert is_comfyui_pack(folder)
    assert not is_comfyui_pack(write_pack(tmp_path / "round", "from .a import *", a="from . import *"))


def test_a_folder_without_an_init_file_is_no_pack(tmp_path: Path) -> None:
    assert not is_comfyui_pack(tmp_path)
    assert not is_comfyui_pack(tmp_path / "missing")


def test_the_hook_offers_a_loader_for_packs_only(tmp_path: Path) -> None:
    assert choose_pack_loader(TEST_PACK) is not None
    assert choose_pack_loader(tmp_path) is None
