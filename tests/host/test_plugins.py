"""Packs load wholly or not at all, and one that fails stops nobody else."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from host.engine.catalogue import Catalogue
from host.packs import PackSource, _installed_source, installed_packs, packs_in
from host.plugins import PackRegistry, create_plugin_manager
from sdk import hookimpl, node
from sdk.testing import write_pack

NODES = """
    from sdk import hookimpl, node

    @node(id="{id}")
    def work(value: int) -> int:
        return value

    @hookimpl
    def register_nodes():
        return [work]
"""


def nobody(folder: Path) -> None:
    return None


@pytest.fixture
def registry() -> PackRegistry:
    return PackRegistry(create_plugin_manager(), Catalogue(), seconds_to_load=5)


@pytest.fixture(autouse=True)
def _imports_are_undone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(registry: PackRegistry, *folders: Path) -> None:
    registry.load(packs_in(folders, nobody))


def test_a_pack_in_a_folder_is_loaded_with_its_name_and_version(registry: PackRegistry, tmp_path: Path) -> None:
    load(registry, write_pack(tmp_path, "probe-one", NODES.format(id="One"), version="1.2.0"))
    found = registry.catalogue.find("One")
    assert (found.pack, found.pack_version, found.true_id) == ("probe-one", "1.2.0", "probe-one/One")
    assert registry.failures == []


def test_a_pack_that_takes_long_to_load_is_named_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setitem(sys.modules, "probe_gate", SimpleNamespace(wait=said.wait))
    registry = PackRegistry(create_plugin_manager(), Catalogue(), seconds_to_load=60, seconds_until_said=0.01)
    handler = _Told(said)
    logging.getLogger("host.plugins").addHandler(handler)
    try:
        load(registry, write_pack(tmp_path, "probe-slow", "import probe_gate\nprobe_gate.wait(60)", version="2.0.0"))
    finally:
        logging.getLogger("host.plugins").removeHandler(handler)
    assert handler.text.startswith("still importing pack probe-slow 2.0.0 (")
    assert handler.text.endswith("after 0.01 s; it is given up after 60 s (pack_timeout)")
    assert registry.failures == []


class _Told(logging.Handler):
    """Notes what is logged first, and lets somebody who waits go on."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self.text, self._event = "", event

    def emit(self, record: logging.LogRecord) -> None:
        self.text = self.text or record.getMessage()
        self._event.set()


def test_a_folder_of_packs_is_loaded_by_name(registry: PackRegistry, tmp_path: Path) -> None:
    write_pack(tmp_path, "probe-b", NODES.format(id="B"))
    write_pack(tmp_path, "probe-a", NODES.format(id="A"))
    load(registry, tmp_path)
    assert list(registry.packs) == ["probe-a", "probe-b"]


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("raise ValueError('no luck')", "ValueError: no luck.", "traceback"),
        ("import sys; sys.exit(3)", "it tried to exit the program (code 3).", "author"),
        ("while True: pass", "it did not finish within 0.2 s.", "stuck"),
        (
            "import time\nwhile True:\n    try: time.sleep(60)\n    except Exception: pass",
            "it did not finish within 0.2 s.",
            "stuck",
        ),
        ("import no_such_package_xyz", "it needs the Python package 'no_such_package_xyz'.", "Install it"),
        ("def broken(", "SyntaxError", "traceback"),
        ("from sdk import node\n@node\ndef f(x): ...", "node 'F': parameter 'x' has no annotation", "author"),
        ("from sdk import hookimpl\n@hookimpl\ndef register_nodes(): return [3]", "which is no NodeType", "--packs"),
        ("from sdk import hookimpl\n@hookimpl\ndef register_sockets(): return [3]", "which is no Socket", "--packs"),
        (
            "from sdk import hookimpl\n@hookimpl\ndef register_node(): return []",
            "unknown hook 'register_node'",
            "--packs",
        ),
        ("from sdk import hookimpl\n@hookimpl\ndef register_nodes(nonsense): return []", "nonsense", "--packs"),
    ],
)
def test_a_pack_that_fails_is_reported_and_leaves_nothing(tmp_path: Path, code: str, said: str, hint: str) -> None:
    registry = PackRegistry(create_plugin_manager(), Catalogue(), seconds_to_load=0.2 if "finish" in said else 5)
    pack = tmp_path / "probe-bad"
    write_pack(tmp_path, "probe-bad", "")
    (pack / "probe_bad.py").write_text(code)
    load(registry, pack)
    registry.seconds_to_load = 60
    load(registry, write_pack(tmp_path, "probe-good", NODES.format(id="Good")))
    (failure,) = registry.failures
    assert (failure.pack, failure.version) == ("probe-bad", "1.0.0")
    assert said in failure.error
    assert hint in failure.hint
    assert failure.error.endswith(".")
    assert "probe_bad" not in sys.modules
    assert not any(name.startswith("probe-bad") for name, _ in registry.manager.list_name_plugin())
    assert registry.catalogue.find("Good") is not None


def test_a_node_two_packs_offer_is_refused_and_both_are_named(registry: PackRegistry, tmp_path: Path) -> None:
    first = write_pack(tmp_path, "probe-first", NODES.format(id="Same"), version="1.0.0")
    second = write_pack(tmp_path, "probe-second", NODES.format(id="Same"), version="2.0.0")
    load(registry, second, first)
    (failure,) = registry.failures
    assert registry.catalogue.find("Same").pack == "probe-first"
    assert all(word in failure.error for word in ("Same", "probe-first 1.0.0", "probe-second 2.0.0"))
    assert registry.catalogue.find("probe-second/Same") is None


def test_a_node_one_pack_offers_twice_is_refused_and_named(registry: PackRegistry, tmp_path: Path) -> None:
    code = """
        from sdk import hookimpl, node

        @node(id="Same")
        def first(value: int) -> int: return value

        @node(id="Same")
        def second(value: int) -> int: return value

        @hookimpl
        def register_nodes(): return [first, second]
    """
    load(registry, write_pack(tmp_path, "probe-twice", code))
    (failure,) = registry.failures
    assert failure.error.startswith("pack probe-twice 1.0.0 offers two nodes named 'probe-twice/Same'.")
    assert registry.catalogue.find("Same") is None


def test_a_pack_that_fails_half_way_loses_the_nodes_it_had_registered(registry: PackRegistry, tmp_path: Path) -> None:
    load(registry, write_pack(tmp_path, "probe-a", NODES.format(id="Taken")))
    code = """
        from sdk import hookimpl, node

        @node
        def fresh(value: int) -> int: return value

        @node(id="Taken")
        def taken(value: int) -> int: return value

        @hookimpl
        def register_nodes(): return [fresh, taken]
    """
    load(registry, write_pack(tmp_path, "probe-half", code))
    assert registry.catalogue.find("Fresh") is None
    assert registry.failures[0].pack == "probe-half"


def test_a_module_name_taken_by_another_pack_is_explained(registry: PackRegistry, tmp_path: Path) -> None:
    load(registry, write_pack(tmp_path, "probe-one", NODES.format(id="One"), module="probe_shared"))
    load(registry, write_pack(tmp_path, "probe-two", NODES.format(id="Two"), module="probe_shared"))
    assert "its module 'probe_shared' is already taken" in registry.failures[0].error


def test_a_pack_for_another_node_api_is_not_imported_and_says_so(registry: PackRegistry, tmp_path: Path) -> None:
    for name, wanted in (("probe-new", ">=99"), ("probe-now", ">=1,<2")):
        folder = write_pack(tmp_path, name, NODES.format(id=name))
        with (folder / "pyproject.toml").open("a") as file:
            file.write(f'\n[tool.comfy-nodes]\nhost-api = "{wanted}"\n')
    load(registry, tmp_path)
    assert list(registry.packs) == ["probe-now"]
    assert "node API >=99" in registry.failures[0].error
    assert "version" in registry.failures[0].hint


def test_a_broken_manifest_is_that_packs_failure(registry: PackRegistry, tmp_path: Path) -> None:
    pack = tmp_path / "probe-x"
    pack.mkdir()
    (pack / "pyproject.toml").write_text("[project\n")
    load(registry, pack)
    assert "no valid TOML" in registry.failures[0].error


def test_a_folder_nobody_can_load_says_what_it_would_need(registry: PackRegistry, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    load(registry, tmp_path)
    assert "nothing here says how to load it" in registry.failures[0].error


def test_the_same_pack_twice_is_refused(registry: PackRegistry, tmp_path: Path) -> None:
    write_pack(tmp_path / "a", "probe-same", NODES.format(id="One"))
    write_pack(tmp_path / "b", "probe-same", NODES.format(id="Two"))
    load(registry, tmp_path / "a", tmp_path / "b")
    assert list(registry.packs) == ["probe-same"]
    assert registry.catalogue.find("One") is not None
    assert "already belongs to pack probe-same" in registry.failures[0].error


def test_two_samplers_of_one_name_are_refused(registry: PackRegistry) -> None:
    from sdk.sampling import Sampler

    class Plugin:
        @hookimpl
        def register_samplers(self):
            return [Sampler(name="probe", function=print)]

    for name in ("a", "b"):
        registry.load([PackSource(name=name, version="1", origin="test", load=lambda: {"x": Plugin()})])
    assert "the sampler 'probe' of pack b already belongs to pack a 1" in registry.failures[0].error


def test_a_plugin_may_be_an_object_and_order_is_kept(registry: PackRegistry) -> None:
    @node
    def later(value: int) -> int:
        return value

    @node
    def sooner(value: int) -> int:
        return value

    class Plugin:
        def __init__(self, *nodes):
            self.nodes = nodes

        @hookimpl
        def register_nodes(self):
            return self.nodes

    plugins = {"one": Plugin(sooner), "two": Plugin(later)}
    registry.load([PackSource(name="a", version="1", origin="test", load=lambda: plugins)])
    assert [item.id for item in registry.catalogue] == ["Sooner", "Later"]


def test_the_built_ins_are_found_by_the_same_entry_points_as_any_pack() -> None:
    assert installed_packs()[0].name == "core"


def test_a_pack_with_scripts_in_src_may_have_its_module_beside_it(registry: PackRegistry, tmp_path: Path) -> None:
    pack = write_pack(tmp_path, "probe-js", NODES.format(id="Js"))
    (pack / "src").mkdir()
    (pack / "src" / "index.ts").write_text("export {}")
    load(registry, pack)
    assert registry.failures == []
    assert "probe-js" in registry.packs


def test_a_loop_that_swallows_the_time_limit_once_is_ended_all_the_same(tmp_path: Path) -> None:
    registry = PackRegistry(create_plugin_manager(), Catalogue(), seconds_to_load=0.2)
    inner = "    try:\n        while True: pass\n    except BaseException:\n        n += 1\n        if n > 1: raise"
    code = "n = 0\nwhile True:\n" + inner
    load(registry, write_pack(tmp_path, "probe-stubborn", code))
    (failure,) = registry.failures
    assert failure.error == "it did not finish within 0.2 s."


def test_a_change_of_a_packs_code_changes_its_nodes_revision(tmp_path: Path) -> None:
    revisions = []
    pack = write_pack(tmp_path, "probe-edit", NODES.format(id="Edit"))
    for text in ("", "\n# changed\n"):
        with (pack / "probe_edit.py").open("a") as file:
            file.write(text)
        registry = PackRegistry(create_plugin_manager(), Catalogue(), seconds_to_load=60)
        load(registry, pack)
        revisions.append(registry.catalogue.find("Edit").revision)
    assert revisions[0] != revisions[1]


def test_a_foreign_distribution_can_not_pass_for_the_built_in_pack(registry: PackRegistry) -> None:
    registry.load([_installed_source("core", "9.9", []), _installed_source("comfy-nodes", "1.0", [])])
    assert registry.packs["core"].version == "1.0"
    (failure,) = registry.failures
    assert "its name is that of the built-in pack" in failure.error
