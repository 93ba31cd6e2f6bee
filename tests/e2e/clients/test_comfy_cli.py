"""comfy-cli, unmodified, with this host in ComfyUI's place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.clients.conftest import Program
from tests.support.command_line import drawn, node, plain_picture, text_to_image, write_json
from tests.support.serving_process import ServingProcess

pytestmark = pytest.mark.e2e
Comfy = Callable[..., tuple[int, dict[str, Any]]]
SHIPPED = "tiny-shapes.safetensors"


@pytest.fixture
def comfy(program: Program) -> Comfy:
    """Runs ``comfy --json``: the exit code, and the envelope it prints."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        ended = program("comfy-cli", "comfy", "--skip-prompt", "--json", *arguments)
        envelopes = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        assert envelopes, ended.stdout + ended.stderr
        return ended.returncode, envelopes[-1]

    return run


def long_job() -> dict[str, Any]:
    prompt = text_to_image(steps=5000)
    prompt["4"]["inputs"]["ckpt_name"] = SHIPPED
    return prompt


def small_job() -> dict[str, Any]:
    prompt = text_to_image()
    prompt["4"]["inputs"]["ckpt_name"] = SHIPPED
    return prompt


def test_a_workflow_runs_to_its_picture(comfy: Comfy, server: ServingProcess, tmp_path: Path) -> None:
    prompt = small_job()
    prompt["9"]["inputs"]["filename_prefix"] = "first"
    code, said = comfy("run", "--workflow", write_json(tmp_path / "api.json", prompt), "--wait")
    assert (code, said["ok"]) == (0, True), said
    (saved,) = (server.base / "output").glob("first_*.png")
    with Image.open(saved) as picture:
        assert picture.size == (64, 64)
    assert saved.name in json.dumps(said["data"])


def test_a_workflow_runs_again_from_the_cache(comfy: Comfy, tmp_path: Path) -> None:
    workflow = write_json(tmp_path / "api.json", plain_picture(40))
    first, again = comfy("run", "--workflow", workflow, "--wait"), comfy("run", "--workflow", workflow, "--wait")
    assert (first[0], again[0]) == (0, 0)
    assert again[1]["data"]["outputs"] == first[1]["data"]["outputs"]


def test_a_workflow_as_the_editor_saves_it_runs(comfy: Comfy, tmp_path: Path) -> None:
    code, said = comfy("run", "--workflow", write_json(tmp_path / "ui.json", drawn(small_job())), "--wait")
    assert (code, said["ok"]) == (0, True), said


def test_faults_come_back_as_comfy_cli_words_them(comfy: Comfy, tmp_path: Path) -> None:
    faulty = plain_picture()
    faulty["1"]["inputs"]["width"] = 0
    code, said = comfy("run", "--workflow", write_json(tmp_path / "low.json", faulty), "--wait")
    assert (code, said["ok"]) == (1, False)
    assert "width" in json.dumps(said["error"])
    faulty["1"]["class_type"] = "NoSuchNode"
    code, said = comfy("run", "--workflow", write_json(tmp_path / "unknown.json", faulty), "--wait")
    assert (code, said["ok"]) == (1, False)
    assert "NoSuchNode" in json.dumps(said["error"])


def test_a_node_that_fails_is_named(comfy: Comfy, server: ServingProcess, tmp_path: Path) -> None:
    (server.base / "input").mkdir(exist_ok=True)
    (server.base / "input" / "broken.png").write_bytes(b"no picture at all")
    prompt = {"1": node("LoadImage", image="broken.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    code, said = comfy("run", "--workflow", write_json(tmp_path / "broken.json", prompt), "--wait")
    assert (code, said["error"]["code"]) == (1, "execution_error"), said
    assert "LoadImage" in said["error"]["message"]


def test_jobs_are_listed_looked_at_and_cancelled(comfy: Comfy, server: ServingProcess, tmp_path: Path) -> None:
    code, said = comfy("run", "--workflow", write_json(tmp_path / "long.json", long_job()))
    assert code == 0, said
    job = said["data"]["prompt_id"]
    assert job in json.dumps(comfy("jobs", "ls")[1]["data"])
    assert comfy("jobs", "status", job)[1]["data"]["status"] in {"running", "queued", "pending", "in_progress"}
    assert comfy("jobs", "cancel", job)[0] == 0
    assert "cancelled" in json.dumps(comfy("jobs", "wait", job)[1])
    assert comfy("jobs", "status", job)[1]["data"]["status"] == "cancelled"
    assert server.ask("/queue") == {"queue_running": [], "queue_pending": []}
    assert comfy("jobs", "status", "no-such-job")[0] == 1


def test_nodes_models_and_the_machine_are_described(comfy: Comfy) -> None:
    listed = json.dumps(comfy("nodes", "ls")[1]["data"])
    assert all(name in listed for name in ("KSampler", "SaveImage", "CheckpointLoaderSimple"))
    shown = comfy("nodes", "show", "KSampler")[1]["data"]
    assert "scheduler" in json.dumps(shown)
    assert "checkpoints" in json.dumps(comfy("models", "list-folders")[1]["data"])
    assert SHIPPED in json.dumps(comfy("models", "list-folder", "checkpoints")[1]["data"])
    assert comfy("system-stats")[1]["ok"] is True
    assert comfy("free")[1]["ok"] is True


def test_files_and_workflows_are_kept_on_the_server(comfy: Comfy, server: ServingProcess, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    assert comfy("upload", tmp_path / "red.png")[0] == 0
    with Image.open(server.base / "input" / "red.png") as uploaded:
        assert uploaded.getpixel((1, 1)) == (255, 0, 0)
    kept = write_json(tmp_path / "kept.json", drawn(small_job()))
    code, said = comfy("workflow", "save", kept, "--name", "sub/kept", "--where", "local")
    assert code == 0, said
    assert "sub/kept" in json.dumps(comfy("workflow", "list", "--where", "local")[1]["data"])
    assert comfy("workflow", "get", "sub/kept.json", "--where", "local", "--out", tmp_path / "back.json")[0] == 0
    assert json.loads((tmp_path / "back.json").read_text()) == json.loads(kept.read_text())
    assert comfy("workflow", "delete", "sub/kept.json", "--where", "local")[0] == 0
    assert "sub/kept" not in json.dumps(comfy("workflow", "list", "--where", "local")[1]["data"])
