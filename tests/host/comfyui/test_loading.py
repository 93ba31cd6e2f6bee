"""Packs are imported under names of their own, and leave nothing behind when that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pluggy
import pytest

from host.comfyui.errors import NoNodeUsable, PackHasNoNodes
from host.comfyui.loading import ComfyPack, load_pack
from host.engine import hookspecs
from sdk.hooks import PROJECT
from tests.support.comfy_packs import Caller, load, node_of, write_pack

ONE_NODE = """
    class A:
        RETURN_TYPES = ("INT",)
        FUNCTION = "go"
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}}
        def go(self):
            return (1,)
    NODE_CLASS_MAPPINGS = {"A": A}
"""


def pack_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith("custom_nodes.")}


def test_the_test_pack_loads_unmodified(test_pack: ComfyPack) -> None:
    assert len(test_pack.nodes) == 55
    assert test_pack.problems == ()
    assert {node.python_module for node in test_pack.nodes} == {"custom_nodes.g2_testpack"}
    assert node_of(test_pack, "G2Int").title == "Integer (test)"


def test_a_pack_is_a_plugin_that_registers_its_nodes(test_pack: ComfyPack) -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(test_pack)
    assert [list(nodes) for nodes in manager.hook.register_nodes()] == [list(test_pack.nodes)]


def test_a_pack_may_import_its_own_modules(tmp_path: Path) -> None:
    source = "from .nodes import *\nfrom . import nodes\nNODE_CLASS_MAPPINGS = nodes.NODE_CLASS_MAPPINGS"
    pack = load(tmp_path / "My.Pack-1", source, nodes=ONE_NODE)
    assert [node.id for node in pack.nodes] == ["A"]
    assert pack.nodes[0].python_module == "custom_nodes.My.Pack-1"


def test_a_pack_may_import_its_modules_by_its_package(tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack", "from . import nodes\nNODE_CLASS_MAPPINGS = nodes.NODE_CLASS_MAPPINGS", nodes=ONE_NODE
    )
    assert [node.id for node in pack.nodes] == ["A"]


def test_two_folders_of_one_name_do_not_mix(tmp_path: Path) -> None:
    first = load(tmp_path / "x" / "pack", "from .nodes import *", nodes=ONE_NODE)
    second = load(tmp_path / "y" / "pack", "from .nodes import *", nodes=ONE_NODE.replace("(1,)", "(2,)"))
    assert first.module.__name__ != second.module.__name__
    assert Caller(first.nodes[0], tmp_path)().outputs == (1,)
    assert Caller(second.nodes[0], tmp_path)().outputs == (2,)
    assert {pack.nodes[0].python_module for pack in (first, second)} == {"custom_nodes.pack"}


def test_loading_again_reads_the_files_again(tmp_path: Path) -> None:
    load(tmp_path / "pack", ONE_NODE)
    changed = load(tmp_path / "pack", ONE_NODE.replace("(1,)", "(1234,)"))
    assert Caller(changed.nodes[0], tmp_path)().outputs == (1234,)


def test_unloading_forgets_the_modules(tmp_path: Path) -> None:
    before = pack_modules()
    pack = load(tmp_path / "pack", "from .nodes import *", nodes=ONE_NODE)
    assert len(pack_modules()) == len(before) + 2
    pack.unload()
    assert pack_modules() == before


@pytest.mark.parametrize("trouble", ["raise ValueError('no')", "import sys; sys.exit(3)", "import gone_for_good", "("])
def test_a_failing_import_is_passed_on_and_leaves_no_module(tmp_path: Path, trouble: str) -> None:
    before = pack_modules()
    folder = write_pack(tmp_path / "pack", f"from . import part\nNODE_CLASS_MAPPINGS = {{}}\n{trouble}", part="")
    with pytest.raises((ValueError, SystemExit, ImportError, SyntaxError)):
        load_pack(folder)
    assert pack_modules() == before


@pytest.mark.parametrize(
    "source", ["x = 1", "NODE_CLASS_MAPPINGS = [1]", "def comfy_entrypoint():\n    return 5", "comfy_entrypoint = 4"]
)
def test_a_module_without_nodes_is_refused_by_name(tmp_path: Path, source: str) -> None:
    with pytest.raises(PackHasNoNodes, match=r"pack 'empty'.*NODE_CLASS_MAPPINGS"):
        load(tmp_path / "empty", source)


def test_an_empty_list_of_nodes_is_a_pack_without_nodes(tmp_path: Path) -> None:
    assert load(tmp_path / "pack", "NODE_CLASS_MAPPINGS = {}").nodes == ()


def test_one_broken_node_does_not_stop_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pack = load(
        tmp_path / "pack", ONE_NODE + "    NODE_CLASS_MAPPINGS |= {'B': 5, 'C': type('C', (A,), {'FUNCTION': 'gone'})}"
    )
    assert [node.id for node in pack.nodes] == ["A"]
    assert len(pack.problems) == 2
    assert "pack 'pack', node 'C': FUNCTION is 'gone', which is no method of the class" in caplog.text


def test_a_pack_whose_nodes_are_all_broken_is_refused_with_all_reasons(tmp_path: Path) -> None:
    with pytest.raises(NoNodeUsable) as caught:
        load(tmp_path / "pack", "NODE_CLASS_MAPPINGS = {'A': 1, 'B': 2, 3: int}")
    assert len(caught.value.problems) == 3
    assert "node 'A'" in str(caught.value)


def test_the_web_directory_is_known(tmp_path: Path) -> None:
    (tmp_path / "pack" / "js").mkdir(parents=True)
    pack = load(tmp_path / "pack", "NODE_CLASS_MAPPINGS = {}\nWEB_DIRECTORY = './js'")
    assert pack.web_directory == (tmp_path / "pack" / "js").resolve()


@pytest.mark.parametrize("said", ["../elsewhere", "missing", "/"])
def test_a_web_directory_outside_the_pack_is_refused(
    tmp_path: Path, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").mkdir()
    pack = load(tmp_path / "pack", f"NODE_CLASS_MAPPINGS = {{}}\nWEB_DIRECTORY = {said!r}")
    assert pack.web_directory is None
    assert "WEB_DIRECTORY" in caplog.text


def test_a_pack_may_name_further_folders_of_scripts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "elsewhere").mkdir()
    source = """
        import nodes
        nodes.EXTENSION_WEB_DIRS["more"] = {place!r}
        nodes.EXTENSION_WEB_DIRS["gone"] = {place!r} + "/gone"
        NODE_CLASS_MAPPINGS = {{}}
        """
    pack = load(tmp_path / "pack", source.format(place=str(tmp_path / "elsewhere")))
    other = load(tmp_path / "other", "NODE_CLASS_MAPPINGS = {}")
    assert [(item.name, item.folder) for item in pack.register_web_directories()] == [("more", tmp_path / "elsewhere")]
    assert other.register_web_directories() == []
    assert "gone: it is no folder" in caplog.text


@pytest.mark.parametrize("prefix", ["", "async "])
def test_an_extension_lists_its_nodes(tmp_path: Path, prefix: str) -> None:
    pack = load(
        tmp_path / "pack",
        f"""
        from comfy_api.latest import ComfyExtension, io
        loaded = []
        class Half(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema(node_id="HalfOf", inputs=[io.Float.Input("x")], outputs=[io.Float.Output()])
            @classmethod
            def execute(cls, x):
                return io.NodeOutput(x / 2)
        class Extension(ComfyExtension):
            async def on_load(self):
                loaded.append(True)
            async def get_node_list(self):
                return [Half]
        {prefix}def comfy_entrypoint():
            return Extension()
        """,
    )
    assert [node.id for node in pack.nodes] == ["HalfOf"]
    assert pack.module.loaded == [True]
    assert Caller(pack.nodes[0], tmp_path)(x=3).outputs == (1.5,)
