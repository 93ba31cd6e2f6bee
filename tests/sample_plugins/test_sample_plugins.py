"""The sample packs pass their own tests, keep to the SDK, and work together in a real host."""

from __future__ import annotations

import ast
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from PIL import Image
from safetensors.torch import save_file

from host.app import Host, create_host
from host.engine.caching.disk_values import Encoder, decode_value
from host.engine.catalogue import Catalogue
from host.errors import JobFailed
from host.packs import packs_in
from host.plugins import PackRegistry, create_plugin_manager
from host.settings import PREFIX, Settings
from sdk import Identity
from sdk.archives import build_archive
from sdk.checks import check_pack
from sdk.inspection import inspect_pack
from sdk.manifest import read_manifest
from sdk.testing import load_pack, write_pack

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_plugins"
PACKS = sorted(path.parent.name for path in SAMPLES.glob("*/pyproject.toml"))
SOURCES = sorted(path.relative_to(SAMPLES) for path in SAMPLES.glob("*/**/*.py"))
HEAVY = {"torch", "numpy", "PIL", "av", "safetensors"}
"""What the host brings, and takes long to import."""

PROBE = '''
    from sdk import NodeContext, Part, Refusal, TensorSource, hookimpl, node

    calls = []

    class Family:
        name = "probe-family"

        def identify(self, header):
            return Refusal("it is known by a note alone")

        def parts(self, header, identity):
            import torch
            class Attend(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.weight = torch.nn.Parameter(torch.empty(1, 1, 2, 8))
                def forward(self, x):
                    return torch.nn.functional.scaled_dot_product_attention(x, self.weight, self.weight)
            return [Part(name="probe", build=Attend, weights={"weight": TensorSource("probe.weight")})]

    def attention(query, key, value, **options):
        from torch.nn.functional import scaled_dot_product_attention
        calls.append("attention")
        return scaled_dot_product_attention(query, key, value, **options)

    @node(category="probe", output_node=True)
    def probe(context: NodeContext) -> None:
        """Attend once."""
        import torch
        handle = context.models.open(context.folders.find("checkpoints", "model.safetensors"))["probe"]
        with context.models.borrow(handle) as module:
            module(torch.ones(1, 1, 2, 8))

    @hookimpl
    def register_nodes(): return [probe]
    @hookimpl
    def register_model_families(): return [Family()]
'''

GRAPH = {
    "colours": {"class_type": "PaletteFromText", "inputs": {"text": '["#ff0000", "#00ff00", "#0000ff"]'}},
    "shown": {"class_type": "ShowPalette", "inputs": {"palette": ["colours", 0], "size": 8}},
    "two": {"class_type": "ExtractPalette", "inputs": {"image": ["shown", 0], "colours": 8, "method": "median cut"}},
    "other": {"class_type": "PaletteFromText", "inputs": {"text": '["#123456"]'}},
    "switch": {
        "class_type": "PaletteSwitch",
        "inputs": {"use_first": True, "first": ["two", 0], "second": ["other", 0]},
    },
    "split": {"class_type": "SplitPalette", "inputs": {"palette": ["switch", 0]}},
    "made": {"class_type": "MakePalette", "inputs": {"colours": ["split", 0]}},
    "saved": {"class_type": "SavePalette", "inputs": {"palette": ["made", 0], "filename_prefix": "p"}},
    "unused": {"class_type": "PaletteFromText", "inputs": {"text": '["#ffffff"]'}},
}


@pytest.fixture(autouse=True)
def _nothing_stays_imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if file.startswith(str(SAMPLES)) or name == "probe_pack":
            del sys.modules[name]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "models" / "checkpoints" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"probe.weight": torch.ones(1, 1, 2, 8)}, path)
    folders = {f"{name}_dir": tmp_path / name for name in ("models", "input", "output", "temp")}
    pack = write_pack(tmp_path / "packs", "probe-pack", PROBE)
    return Settings(base_dir=tmp_path, device="cpu", packs=None, pack_dirs=(SAMPLES, pack), **folders)


def open_host(settings: Settings) -> Host:
    host = create_host(settings)
    assert host.registry.failures == []
    return host


def report_lines(folder: Path) -> list[dict]:
    newest = max(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for line in newest.read_text().splitlines()]


def note(settings: Settings) -> None:
    path = settings.models_dir / "checkpoints" / "model.safetensors.comfy.toml"
    path.write_text('family = "probe-family"\nkind = "checkpoint"\n')


def rules(settings: Settings, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settings.base_dir / "rules.toml"
    path.write_text(text)
    monkeypatch.setenv("PLACEMENT_RULES", str(path))


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_s_own_tests_and_the_trials_of_its_nodes_pass(pack: str) -> None:
    command = [sys.executable, "-m", "host.cli", "test"]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=SAMPLES / pack, capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def _imported(tree: ast.AST) -> Iterator[str]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "packs name their own modules in full"
            yield str(statement.module).partition(".")[0]


def _own_modules(pack: str) -> set[str]:
    folder = SAMPLES / pack
    return {path.parent.name for path in folder.glob("*/__init__.py")} | {p.stem for p in folder.glob("tests/*.py")}


def _declared(pack: str) -> set[str]:
    return {Requirement(text).name for text in read_manifest(SAMPLES / pack).dependencies}


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_packs_import_nothing_of_this_project_but_the_sdk(source: Path) -> None:
    pack = source.parts[0]
    tree = ast.parse((SAMPLES / source).read_text(encoding="utf-8"))
    allowed = {*sys.stdlib_module_names, "sdk"} | HEAVY | _own_modules(pack) | _declared(pack)
    assert set(_imported(tree)) <= allowed | ({"pytest"} if "tests" in source.parts else set())


@pytest.mark.parametrize("pack", PACKS)
def test_loading_a_pack_imports_nothing_heavy(pack: str) -> None:
    program = f"import sys; from pathlib import Path; from sdk.testing import load_pack; load_pack(Path({pack!r}))"
    heavy = sorted(HEAVY | {"httpx"})
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print([name for name in {heavy} if name in sys.modules])"],
        cwd=SAMPLES,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_walk_sees_imports_wherever_they_stand() -> None:
    tree = ast.parse("import a.b\nclass C:\n    def f(self):\n        from host.app import create_host\n")
    assert set(_imported(tree)) == {"a", "host"}


def test_all_packs_load_and_offer_what_they_say() -> None:
    registry = PackRegistry(create_plugin_manager(), Catalogue())
    registry.load(packs_in([SAMPLES], lambda folder: None))
    assert registry.failures == []
    assert sorted(registry.packs) == PACKS
    assert {"palette", "placement", "run-report", "custom-family", "raycaster", "web-hello"} <= set(PACKS)
    sockets = [socket.name for _, socket in registry.contributions("sockets")]
    assert sorted(sockets) == ["PALETTE", "RAYCASTER_MAZE", "RAYCASTER_POSES"]
    assert registry.catalogue.find("QuantizeToPalette").id == "ApplyPalette"


def test_the_packs_variables_are_not_taken_for_the_hosts_settings() -> None:
    PackRegistry(create_plugin_manager(), Catalogue()).load(packs_in([SAMPLES], lambda folder: None))
    reports, placement = sys.modules["run_report.plugin"], sys.modules["placement.plugin"]
    variables = [reports.FOLDER_VARIABLE, reports.KEEP_VARIABLE, placement.RULES_VARIABLE]
    assert [name for name in variables if name.startswith(PREFIX)] == []
    assert not any(name in os.environ for name in variables), "unset these variables to run the tests"


def test_a_graph_of_palettes_runs_and_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = settings.base_dir / "reports"
    monkeypatch.setenv("RUN_REPORT_DIR", str(reports))
    host = open_host(settings)
    first = host.run(GRAPH)
    saved = settings.output_dir / first.outputs["saved"]["files"][0]["filename"]
    assert set(json.loads(saved.read_text())) == {"#ff0000", "#00ff00", "#0000ff"}

    lines = report_lines(reports)
    assert (lines[0]["job"], lines[0]["nodes"]) == (first.job_id, 9)
    ran = [line["node"] for line in lines if line["event"] == "node_ran"]
    assert ran == ["colours", "shown", "two", "switch", "split", "made", "saved"]
    assert lines[3]["type"] == "palette/PaletteFromImage"  # asked for by its former name
    assert (lines[-1]["nodes_run"], lines[-1]["nodes_reused"]) == (7, ["other"])
    assert (lines[-1]["nodes_unneeded"], lines[-1]["failed"]) == (["unused"], False)


def test_a_second_run_reports_what_came_from_the_cache(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = settings.base_dir / "reports"
    monkeypatch.setenv("RUN_REPORT_DIR", str(reports))
    host = open_host(settings)
    host.run(GRAPH)
    again = {**GRAPH, "saved": {**GRAPH["saved"], "inputs": {"palette": ["made", 0], "filename_prefix": "q"}}}
    host.run(again)
    ended = report_lines(reports)[-1]
    assert ended["nodes_run"] == 1
    assert {"colours", "two", "made"} <= set(ended["nodes_reused"])


def test_a_palette_can_be_kept_in_a_cache_on_disk() -> None:
    palette = ((255, 136, 0), (0, 0, 0))
    assert decode_value(Encoder().value(palette, 0), {}) == palette


def test_the_packs_do_nothing_where_no_variable_is_set(settings: Settings) -> None:
    host = open_host(settings)
    host.run(GRAPH)
    hooks = host.registry.manager.hook
    identity = Identity(family="sd1", kind="checkpoint", config={}, because="a test")
    assert hooks.before_job.get_hookimpls() == []
    assert hooks.choose_device(part="vae", identity=identity) is None


def test_a_note_a_rule_and_a_report_meet_at_one_model(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = settings.base_dir / "reports"
    monkeypatch.setenv("RUN_REPORT_DIR", str(reports))
    rules(settings, '[[attention]]\nfamily = "probe*"\nuse = "probe_pack:attention"\n', monkeypatch)
    note(settings)
    host = open_host(settings)
    host.run({"p": {"class_type": "Probe", "inputs": {}}})
    assert sys.modules["probe_pack"].calls == ["attention"]
    loading, _, ended = report_lines(reports)[1:]
    assert (loading["event"], loading["family"], loading["part"]) == ("model_loading", "probe-family", "probe")
    assert ended["bytes_loaded"] == loading["bytes"] == 64


def test_a_rule_reaches_the_model_manager(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(settings, '[[device]]\npart = "probe"\nuse = "cuda:4711"\n', monkeypatch)
    note(settings)
    with pytest.raises(JobFailed, match="cuda:4711"):
        open_host(settings).run({"p": {"class_type": "Probe", "inputs": {}}})


def test_a_failure_is_reported_with_its_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = settings.base_dir / "reports"
    monkeypatch.setenv("RUN_REPORT_DIR", str(reports))
    with pytest.raises(JobFailed, match="it is known by a note alone"):
        open_host(settings).run({"p": {"class_type": "Probe", "inputs": {}}})
    failed, ended = report_lines(reports)[1:]
    assert (failed["event"], failed["node"], failed["type"]) == ("node_failed", "p", "probe-pack/Probe")
    assert "it is known by a note alone" in failed["error"]
    assert ended["failed"] is True


def test_faulty_rules_leave_the_pack_out_and_say_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(settings, '[[device]]\nuse = "gpu"\n', monkeypatch)
    (failure,) = create_host(settings).registry.failures
    assert failure.pack == "placement"
    assert "'gpu' is no device; write cpu, cuda or cuda:1" in str(failure)


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_passes_the_checks_of_a_registry_and_can_be_packed(pack: str, tmp_path: Path) -> None:
    assert check_pack(SAMPLES / pack) == ()
    facts = build_archive(SAMPLES / pack, tmp_path / "pack.zip")
    inspection = inspect_pack(SAMPLES / pack)
    assert not inspection.unread
    with load_pack(SAMPLES / pack) as loaded:
        assert sorted(node.id for node in inspection.nodes) == sorted(loaded.nodes)
    assert facts.size < 2_000_000


def test_a_model_of_a_pack_s_own_family_is_sampled_by_the_built_in_nodes(settings: Settings) -> None:
    workflow = json.loads((SAMPLES / "custom-family" / "workflows" / "shapes.json").read_text())
    workflow["3"]["inputs"]["batch_size"] = 2
    workflow["4"]["inputs"]["steps"] = 8
    saved = open_host(settings).run(workflow).outputs["8"]["images"]
    assert len(saved) == 2
    with Image.open(settings.output_dir / saved[0]["filename"]) as picture:
        assert picture.size == (128, 128)
        assert max(high for _, high in picture.getextrema()) > 120  # something bright was drawn


def test_a_pack_s_sampler_and_schedule_are_there_for_the_built_in_nodes(settings: Settings) -> None:
    workflow = json.loads((SAMPLES / "custom-family" / "workflows" / "shapes.json").read_text())
    workflow["3"]["inputs"]["batch_size"] = 1
    workflow["4"]["inputs"] |= {"steps": 6, "sampler_name": "ralston", "scheduler": "raised_cosine"}
    assert len(open_host(settings).run(workflow).outputs["8"]["images"]) == 1


def test_a_walk_through_a_maze_becomes_an_animation(settings: Settings) -> None:
    workflow = json.loads((SAMPLES / "raycaster" / "workflows" / "walk.json").read_text())
    saved = open_host(settings).run(workflow).outputs["5"]["images"][0]
    with Image.open(settings.output_dir / saved["filename"]) as animation:
        assert (animation.size, animation.n_frames) == ((320, 200), 55)


def test_a_graph_s_timings_are_logged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settings.base_dir / "times.csv"
    monkeypatch.setenv("RUN_LOGGER_CSV", str(path))
    open_host(settings).run(GRAPH)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["node"] for row in rows] == ["colours", "shown", "two", "switch", "split", "made", "saved", ""]
    assert rows[-1]["state"] == "succeeded"
