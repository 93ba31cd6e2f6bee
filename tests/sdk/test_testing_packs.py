"""Writing, loading and reviewing packs with the test kit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdk import ManifestError, NodeType, node
from sdk.manifest import read_manifest
from sdk.testing import FakeJob, check_node, load_pack, write_pack

CODE = '''
    from sdk import Socket, hookimpl, node

    @node(category="numbers")
    def double(value: int) -> int:
        """Twice the value.

        Args:
            value: any number.
        """
        return 2 * value

    @hookimpl
    def register_nodes(): return [double]
    @hookimpl
    def register_sockets(): return [Socket("NUMBER", "a number")]
    @hookimpl
    def choose_device(part): return "cpu" if part == "vae" else None
    @hookimpl
    def before_job(job): raise RuntimeError(job.id)
'''


def test_a_written_pack_has_a_valid_manifest(tmp_path: Path) -> None:
    manifest = read_manifest(write_pack(tmp_path, "my-pack", CODE, version="2.0"))
    assert (manifest.name, manifest.version, manifest.entry_points) == ("my-pack", "2.0", {"my-pack": "my_pack"})


def test_a_pack_is_loaded_with_its_nodes_sockets_and_hooks(tmp_path: Path) -> None:
    with load_pack(write_pack(tmp_path, "my-pack", CODE)) as pack:
        assert pack.nodes["Double"].true_id == "my-pack/Double"
        assert pack.nodes["Double"].pack_version == "1.0.0"
        assert [socket.name for socket in pack.sockets] == ["NUMBER"]
        assert pack.hooks == {"register_nodes", "register_sockets", "choose_device", "before_job"}


def test_hooks_are_called_with_the_arguments_they_name(tmp_path: Path) -> None:
    with load_pack(write_pack(tmp_path, "my-pack", CODE)) as pack:
        assert pack.call("choose_device", part="vae", identity=None) == ["cpu"]
        assert pack.call("choose_device", part="denoiser", identity=None) == []
        assert pack.call("after_job", job=FakeJob(), seconds=1.0) == []
        with pytest.raises(RuntimeError, match="job-7"):
            pack.call("before_job", job=FakeJob(id="job-7"))


def test_an_unloaded_pack_leaves_nothing_behind(tmp_path: Path) -> None:
    path, modules = list(sys.path), set(sys.modules)
    load_pack(write_pack(tmp_path, "my-pack", CODE)).unload()
    assert (sys.path, set(sys.modules)) == (path, modules)


def test_a_pack_is_imported_anew_and_earlier_imports_come_back(tmp_path: Path, monkeypatch) -> None:
    folder = write_pack(tmp_path, "my-pack", "made = object()")
    monkeypatch.syspath_prepend(str(folder))
    import my_pack

    with load_pack(folder) as pack:
        assert pack.plugins["my-pack"].made is not my_pack.made
    assert sys.modules["my_pack"] is my_pack
    assert str(folder) in sys.path
    del sys.modules["my_pack"]


def test_a_pack_below_src_with_an_object_for_a_plugin_is_loaded(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path,
        "my-pack",
        "from sdk import hookimpl\nclass P:\n  @hookimpl\n  def before_job(self): ...\nplugin = P()",
    )
    (folder / "src").mkdir()
    (folder / "my_pack.py").rename(folder / "src" / "my_pack.py")
    manifest = folder / "pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"my_pack"', '"my_pack:plugin"'))
    with load_pack(folder) as pack:
        assert pack.hooks == {"before_job"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from sdk import hookimpl\n@hookimpl\ndef register_nodes(): return [print]", "is @node missing"),
        (CODE.replace("return [double]", "return [double, double]"), "two of its nodes are called 'Double'"),
    ],
)
def test_what_a_host_would_refuse_is_refused(tmp_path: Path, code: str, said: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ManifestError, match=said):
        load_pack(write_pack(tmp_path, "my-pack", code))
    assert set(sys.modules) == before


def test_a_pack_without_entry_points_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    with pytest.raises(ManifestError, match="no entry point in the group 'comfy_nodes"):
        load_pack(tmp_path)


def test_a_module_that_is_somebody_else_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'json' is already taken"):
        load_pack(write_pack(tmp_path, "my-pack", "", module="json"))


def test_an_error_while_importing_is_passed_on(tmp_path: Path) -> None:
    path = list(sys.path)
    with pytest.raises(ZeroDivisionError):
        load_pack(write_pack(tmp_path, "my-pack", "1 / 0"))
    assert sys.path == path


def test_a_node_that_explains_itself_passes_the_review(tmp_path: Path) -> None:
    with load_pack(write_pack(tmp_path, "my-pack", CODE)) as pack:
        assert check_node(pack.nodes["Double"]) == []


def test_the_review_names_everything_that_is_missing() -> None:
    @node
    def bare(value: int, other: int) -> tuple[int, int]:
        return value, other

    assert check_node(bare) == [
        "node 'Bare': it has no description; begin its docstring with a sentence",
        "node 'Bare': it has no category; add category=… to @node",
        "node 'Bare': its input 'value' has no tooltip; describe it under Args in the docstring",
        "node 'Bare': its input 'other' has no tooltip; describe it under Args in the docstring",
        "node 'Bare': its outputs are called INT, INT; tell them apart with names=… in @node",
    ]
    useless = NodeType(id="Useless", run=bare.run, category="x", description="Nothing.")
    assert check_node(useless) == [
        "node 'Useless': it has neither outputs nor output_node=True, so that nothing would ever run it"
    ]
