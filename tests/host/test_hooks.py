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
from host.cli import main as command_line
from host.engine import hookspecs as engine_hooks
from host.engine.events import Event, NodeProgress
from host.engine.jobs.records import Job, JobOutcome, JobState
from host.engine.previews import JobPreviews
from host.errors import JobFailed, PromptRejected, RunnerFailed, UnknownPack, UnknownRunner
from host.models import hookspecs as model_hooks
from host.settings import Settings
from sdk.hooks import hookimpl
from sdk.testing import write_pack
from tests.support.hook_pack import PACK
from tests.support.live_server import serving


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
    assert ("after_job", report.job_id, True, "succeeded") in seen()
    assert ("put",) in seen()


def test_the_model_hooks_see_a_model_come_and_go(host: Host) -> None:
    report = host.run(prompt())
    host.services.models.free()
    names = [entry[0] for entry in seen()]
    assert ("weight", 3.0, 42) in seen()
    assert ("parts", "it has probe.weight") in seen()
    assert ("before_model_load", "probe", True, report.job_id, "b") in seen()
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


def test_a_pack_says_what_a_list_of_its_own_offers(host: Host) -> None:
    path = host.settings.models_dir / "probes" / "one.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"")
    assert host.services.choices("probe-values") == ("probe", "one.safetensors")
    with pytest.raises(LookupError):
        host.services.choices("values of nobody")


def test_sockets_are_known_with_their_pack(host: Host) -> None:
    found = [(pack.name, socket.name) for pack, socket in host.registry.contributions("sockets")]
    assert found == [("core", "GLIGEN"), ("probe-hooks", "PROBE")]


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


def test_after_job_is_told_how_it_ended(host: Host) -> None:
    with pytest.raises(JobFailed):
        host.run({"x": {"class_type": "ProbeFail", "inputs": {"value": 1}}})
    assert [entry[3] for entry in seen() if entry[0] == "after_job"] == ["failed"]


class Pictures:
    """Events that has the pictures made which a run offers."""

    def __init__(self, previews: JobPreviews) -> None:
        self.made: list[object] = []
        self._previews = previews

    def emit(self, event: Event) -> None:
        if isinstance(event, NodeProgress):
            make = self._previews.picture(event.preview)
            self.made.append(None if make is None else make())


@pytest.mark.parametrize(
    ("method", "asked", "made"),
    [
        ("none", [], None),
        ("latent2rgb", ["latent2rgb"], ("picture of", "a latent")),
        ("taesd", ["taesd", "latent2rgb"], ("picture of", "a latent")),
        ("auto", ["taesd", "latent2rgb"], ("picture of", "a latent")),
    ],
)
def test_a_previewer_makes_pictures_of_latents_as_settings_and_client_say(
    host: Host, method: str, asked: list[str], made: object
) -> None:
    job = Job(id="previewed", prompt={}, extra_data={"preview_method": method})
    pictures = Pictures(host.previews(job))
    host.run(prompt(), events=pictures)
    assert [entry[1] for entry in seen() if entry[0] == "choose_previewer"] == asked
    assert pictures.made == [made]


def test_a_pack_answers_by_asgi_and_revises_prompts(host: Host) -> None:
    with serving(host) as server:
        assert ("queue", ([], []), {}, None) in seen()
        answer = server.get("/probe/asgi")
        assert (answer.status, answer.body) == (418, b"by asgi")
        refused = server.post("/prompt", {"prompt": {"a": {"class_type": "Nowhere", "inputs": {}}}})
        assert "Nowhere" in refused.json["error"]["message"]
        queued = server.post("/prompt", {"prompt": prompt()}).json["prompt_id"]
        assert set(server.jobs.find(queued).prompt) == {"a", "b", "extra"}
    assert [entry for entry in seen() if entry[0].startswith("application")] == [
        ("application starts",),
        ("application stops",),
    ]


def test_routes_of_a_pack_exist_with_and_without_the_prefix(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with serving(host) as server:
        for prefix in ("", "/api"):
            answer = server.request("PUT", f"{prefix}/probe/echo/me", '{"a": 1}')
            assert answer.json == {"name": "me", "said": {"a": 1}}
            picture = server.get(f"{prefix}/probe/picture")
            assert (picture.status, picture.headers["content-type"], picture.body) == (201, "image/png", b"picture")
        assert server.request("PUT", "/probe/echo/me", "{").status == 400
        assert server.get("/probe/refuse").json == {"error": "the probe refuses"}
        assert server.get("/openapi.json").json["paths"]["/probe/picture"]["get"]["description"] == "A picture."
        assert "queue_running" in server.get("/queue").json
    assert "pack probe-hooks: its route GET /queue is hidden by the server's own" in caplog.text


def test_a_pack_s_folders_reach_the_graph_editor(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    pack = host.settings.base_dir / "packs" / "probe-hooks"
    for name, text in {
        "web/deep/probe.js": "export {}",
        "locales/de/main.json": '{"greeting": "Hallo", "nodeDefs": {"A": {"display_name": "a"}}}',
        "locales/de/nodeDefs.json": '{"ProbeDouble": {"display_name": "Verdoppeln"}}',
        "locales/fr/main.json": "{",
        "flows/one.json": "{}",
        "subgraphs/part.json": '{"nodes": []}',
    }.items():
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_text(text)
    (pack / "web" / "out.js").symlink_to(pack.parent / "elsewhere.js")
    (pack.parent / "elsewhere.js").write_text("")
    with serving(host) as server:
        scripts = [path for path in server.get("/extensions").json if "/probe-hooks/" in path]
        assert scripts == ["/extensions/probe-hooks/deep/probe.js"]
        script = server.get(scripts[0])
        assert (script.body, script.headers["content-type"]) == (b"export {}", "application/javascript; charset=utf-8")
        assert server.get("/extensions/probe-hooks/out.js").status == 404
        names = server.get("/i18n").json["de"]
        assert names == {
            "greeting": "Hallo",
            "nodeDefs": {"A": {"display_name": "a"}, "ProbeDouble": {"display_name": "Verdoppeln"}},
        }
        assert server.get("/workflow_templates").json == {"probes": ["one"]}
        assert server.get("/api/workflow_templates/probes/one.json").json == {}
        ((key, subgraph),) = server.get("/global_subgraphs").json.items()
        assert subgraph == {"name": "part", "source": "custom_node", "info": {"node_pack": "probe-hooks"}}
        assert server.get(f"/api/global_subgraphs/{key}").json["data"] == '{"nodes": []}'
        assert server.get("/global_subgraphs/none").json is None
    assert "pack probe-hooks: there is no folder" in caplog.text
    assert "fr/main.json can't be read" in caplog.text


def test_a_pack_s_command_is_one_of_the_command_line_s(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["comfy-nodes", "probe-greet", "--name", "probe"])
    monkeypatch.setenv("COMFY_NODES_PACK_DIRS", str(settings.pack_dirs[0]))
    with pytest.raises(SystemExit) as ended:
        command_line()
    assert ended.value.code in (None, 0)
    assert capsys.readouterr().out == "hello, probe\n"
    sys.modules.pop("probe_hooks")
