"""A stranger's pack uses every hook there is, and each does what its specification says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host import hookspecs as host_hooks
from host.app import Host, create_host
from host.engine import hookspecs as engine_hooks
from host.engine.jobs import JobOutcome, JobState
from host.errors import JobFailed, PromptRejected, RunnerFailed, UnknownPack, UnknownRunner
from host.models import hookspecs as model_hooks
from host.settings import Settings
from sdk.hooks import hookimpl
from sdk.testing import write_pack

PACK = '''
    from typing import Annotated, Any

    from sdk import (Choice, Header, Identity, ModelFolder, NodeContext, NodeError, Part, PatchFormat, Refusal,
                     SamplerRecord, SchedulerRecord, Socket, TensorSource, hookimpl, node)

    seen = []

    @node(category="probe")
    def probe_double(value: int) -> int:
        """Twice the value."""
        return 2 * value

    @node(category="probe", output_node=True)
    def probe_model(
        context: NodeContext,
        value: int,
        file: Annotated[str, Choice(source="folder:checkpoints")],
        patch: bool = False,
    ) -> None:
        """Borrow a model and say what is in it."""
        handle = context.models.open(context.folders.find("checkpoints", file))["probe"]
        if patch:
            (patches,) = context.models.read_patches(context.folders.find("loras", "patch.safetensors"), [handle])
            handle = handle.with_patches(patches, 0.5)
        with context.models.borrow(handle) as module:
            seen.append(("weight", float(module.weight.sum()), value))

    @node(category="probe", output_node=True)
    def probe_fail(value: int) -> None:
        """Fail."""
        raise NodeError("the probe was asked to fail")

    class Refused(NodeError):
        """An error of the pack's own, meant for users."""

    @node(category="probe", output_node=True)
    def probe_refuse(value: int) -> None:
        """Refuse."""
        raise Refused("the probe refuses; give it something else")

    class Family:
        name = "probe-family"

        def identify(self, header):
            return Refusal("never asked")

        def parts(self, header, identity):
            import torch
            seen.append(("parts", identity.because))
            def build():
                return torch.nn.Linear(3, 1, bias=False)
            return [Part(name="probe", build=build, weights={"weight": TensorSource("probe.weight")},
                         patch_names=lambda: {"probe": "weight"})]

    class Add:
        def __init__(self, amount):
            self.amount = amount

        def apply(self, weight, original, strength):
            return weight + strength * self.amount

    def read(tensors, names):
        return {names["probe"]: Add(tensors["probe.add"].float())}, frozenset({"probe.add"})

    class Cache:
        """Counts, and keeps nothing."""
        def has(self, key): return False
        def get(self, key): return None
        def put(self, key, result, seconds): seen.append(("put",))
        def retain(self, keys): pass
        def clear(self): pass
        def counters(self): return None

    @hookimpl
    def register_nodes(): return [probe_double, probe_model, probe_fail, probe_refuse]
    @hookimpl
    def register_sockets(): return [Socket("PROBE", "a probe")]
    @hookimpl
    def before_job(job): seen.append(("before_job", job.id))
    @hookimpl
    def after_job(job, seconds): seen.append(("after_job", job.id, seconds >= 0))
    @hookimpl
    def before_node(job, node_id, node): seen.append(("before_node", node_id, node.id))
    @hookimpl
    def after_node(node_id, result): seen.append(("after_node", node_id, result.outputs))
    @hookimpl
    def on_node_error(node_id, error): seen.append(("on_node_error", node_id, str(error)))
    @hookimpl
    def choose_cache(spec): return Cache() if spec == "probe-cache" else None
    @hookimpl
    def choose_runner(spec, execute):
        def run(job, cancel):
            seen.append(("runner", job.id))
            return execute(job, cancel)
        return run if spec == "probe-runner" else None
    @hookimpl
    def choose_pack_loader(folder):
        def load(folder):
            class Loaded:
                @hookimpl
                def register_nodes(self):
                    seen.append(("loaded", folder.name))
                    return []
            return Loaded()
        return load if (folder / "probe.txt").exists() else None
    @hookimpl
    def register_model_families(): return [Family()]
    @hookimpl
    def identify_model(header):
        if "probe.weight" in header.tensors:
            return Identity(family="probe-family", kind="checkpoint", config={}, because="it has probe.weight")
    @hookimpl
    def register_samplers(): return [SamplerRecord(name="probe-sampler", function=print)]
    @hookimpl
    def register_schedulers(): return [SchedulerRecord(name="probe-schedule", function=print)]
    @hookimpl
    def register_folders(): return [ModelFolder("probes", ("probes", "more"))]
    @hookimpl
    def register_patch_formats(): return [PatchFormat(name="probe-patch", read=read)]
    @hookimpl
    def choose_device(part, identity):
        seen.append(("choose_device", part))
        return "cpu"
    @hookimpl
    def choose_attention(part, identity):
        seen.append(("choose_attention", part))
    @hookimpl
    def before_model_load(handle, bytes_needed): seen.append(("before_model_load", handle.part, bytes_needed > 0))
    @hookimpl
    def after_model_evicted(handle, bytes_freed): seen.append(("after_model_evicted", handle.part))
'''


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for kind, tensors in (
        ("checkpoints/model", {"probe.weight": torch.ones(1, 3)}),
        ("loras/patch", {"probe.add": torch.full((1, 3), 2.0)}),
    ):
        path = tmp_path / "models" / f"{kind}.safetensors"
        path.parent.mkdir(parents=True)
        save_file(tensors, path)
    return Settings(
        base_dir=tmp_path,
        models_dir=tmp_path / "models",
        input_dir=tmp_path / "input",
        output_dir=tmp_path / "output",
        temp_dir=tmp_path / "temp",
        device="cpu",
        pack_dirs=(write_pack(tmp_path / "packs", "probe-hooks", PACK),),
        cache="probe-cache",
        runner="probe-runner",
    )


@pytest.fixture
def host(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    host = create_host(settings)
    assert host.registry.failures == []
    yield host
    sys.modules.pop("probe_hooks")


def seen() -> list[tuple]:
    return sys.modules["probe_hooks"].seen


def prompt(**inputs: object) -> dict:
    return {
        "a": {"class_type": "ProbeDouble", "inputs": {"value": 21}},
        "b": {
            "class_type": "ProbeModel",
            "inputs": {"value": ["a", 0], "file": "model.safetensors", "patch": False, **inputs},
        },
    }


def test_the_pack_implements_every_hook(host: Host) -> None:
    specified = {
        name
        for module in (engine_hooks, model_hooks, host_hooks)
        for name, function in vars(module).items()
        if hasattr(function, "comfy-nodes_spec")
    }
    plugin = sys.modules["probe_hooks"]
    implemented = {caller.name for caller in host.registry.manager.get_hookcallers(plugin) or ()}
    assert implemented == specified


def test_a_job_calls_the_observers_in_order(host: Host) -> None:
    report = host.run(prompt())
    order = [
        entry[:2] for entry in seen() if entry[0].startswith(("before_node", "after_node", "before_job", "runner"))
    ]
    assert order == [
        ("runner", report.job_id),
        ("before_job", report.job_id),
        ("before_node", "a"),
        ("after_node", "a"),
        ("before_node", "b"),
        ("after_node", "b"),
    ]
    assert ("after_node", "a", (42,)) in seen()
    assert ("after_job", report.job_id, True) in seen()
    assert ("put",) in seen()


def test_the_model_hooks_see_a_model_come_and_go(host: Host) -> None:
    host.run(prompt())
    host.services.models.free()
    names = [entry[0] for entry in seen()]
    assert ("weight", 3.0, 42) in seen()
    assert ("parts", "it has probe.weight") in seen()
    assert ("before_model_load", "probe", True) in seen()
    assert {"choose_device", "choose_attention", "after_model_evicted"} <= set(names)


def test_a_patch_format_changes_weights_and_they_come_back(host: Host) -> None:
    host.run(prompt(patch=True))
    host.run(prompt(patch=False))
    assert [entry[1] for entry in seen() if entry[0] == "weight"] == [6.0, 3.0]


def test_a_node_s_error_is_observed_and_fails_the_job(host: Host) -> None:
    with pytest.raises(JobFailed) as caught:
        host.run({"x": {"class_type": "ProbeFail", "inputs": {"value": 1}}})
    assert ("on_node_error", "x", "the probe was asked to fail") in seen()
    said = "node x (ProbeFail, pack probe-hooks 1.0.0): the probe was asked to fail"
    assert str(caught.value) == said


def test_a_pack_s_own_error_for_users_is_shown_without_its_type(host: Host) -> None:
    with pytest.raises(JobFailed) as caught:
        host.run({"x": {"class_type": "ProbeRefuse", "inputs": {"value": 1}}})
    assert str(caught.value).endswith("pack probe-hooks 1.0.0): the probe refuses; give it something else")


def test_samplers_and_schedules_join_the_built_in_ones(host: Host) -> None:
    schema = host.catalogue.current().get("KSampler")
    assert {"euler", "probe-sampler"} <= set(schema.input("sampler_name").choices)
    assert {"karras", "probe-schedule"} <= set(schema.input("scheduler").choices)


def test_a_pack_s_own_kind_of_model_is_found_in_its_folders(host: Host) -> None:
    for folder in ("probes", "more"):
        path = host.settings.models_dir / folder / f"{folder}.safetensors"
        path.parent.mkdir()
        path.write_bytes(b"")
    assert list(host.services.choices("folder:probes")) == ["more.safetensors", "probes.safetensors"]
    assert host.services.folders.find("probes", "more.safetensors").parent.name == "more"


def test_sockets_are_known_with_their_pack(host: Host) -> None:
    assert [(pack.name, socket.name) for pack, socket in host.registry.contributions("sockets")] == [
        ("probe-hooks", "PROBE")
    ]


def test_a_pack_may_load_other_kinds_of_packs(settings: Settings, tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(sys, "path", list(sys.path))
    odd = tmp_path / "packs" / "zz-odd"
    odd.mkdir()
    (odd / "__init__.py").write_text("")
    (odd / "probe.txt").write_text("")
    host = create_host(replace(settings, pack_dirs=(tmp_path / "packs",)))
    assert "zz-odd" in host.registry.packs
    assert ("loaded", "zz-odd") in seen()
    sys.modules.pop("probe_hooks")


def test_unknown_runners_and_packs_are_refused(settings: Settings, monkeypatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(UnknownRunner, match="'nowhere'"):
        create_host(replace(settings, runner="nowhere", safe_mode=True, cache="memory"))
    with pytest.raises(UnknownPack, match="no pack named other is installed; there are: probe-hooks"):
        create_host(replace(settings, packs=("other",)))


def test_a_runner_that_gives_a_job_back_without_success_is_an_error(host: Host) -> None:
    from dataclasses import replace

    class Lost:
        @hookimpl
        def choose_runner(self, spec: str):
            outcome = JobOutcome(state=JobState.INTERRUPTED, error="the worker is gone")
            return (lambda job, cancel: outcome) if spec == "lost" else None

    host.registry.manager.register(Lost())
    lost = Host(replace(host.settings, runner="lost"), host.registry, host.library, host.services)
    with pytest.raises(RunnerFailed, match="the runner 'lost' ended the job as interrupted: the worker is gone"):
        lost.run(prompt())


def test_packs_can_be_chosen_by_name_and_left_out_in_safe_mode(settings: Settings, monkeypatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(sys, "path", list(sys.path))
    plain = replace(settings, cache="memory", runner="local")
    assert set(create_host(replace(plain, safe_mode=True)).registry.packs) == {"core"}
    assert set(create_host(replace(plain, packs=())).registry.packs) == {"core"}
    assert set(create_host(replace(plain, packs=("probe-hooks",))).registry.packs) == {"core", "probe-hooks"}
    sys.modules.pop("probe_hooks")


def test_a_rejected_prompt_lists_every_fault(host: Host) -> None:
    with pytest.raises(PromptRejected) as caught:
        host.run(prompt(file="missing.safetensors"))
    assert "node b (ProbeModel): Value not in list: file: 'missing.safetensors'" in str(caught.value)
    assert json.dumps(caught.value.as_json())
