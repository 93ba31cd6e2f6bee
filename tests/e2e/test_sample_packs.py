"""Every sample pack goes the way of a stranger's: published to a registry, installed from it, and put to use."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sdk.authoring.publish_command import publish
from sdk.manifest import read_manifest
from tests.support.command_line import CommandLine, wait_for
from tests.support.registry_process import RegistryProcess, registry_process
from tests.support.serving_process import ServingProcess, serving_process

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_plugins"
PACKS = {path.parent.name: read_manifest(path.parent).version for path in sorted(SAMPLES.glob("*/pyproject.toml"))}
RULES = '[[attention]]\npart = "denoiser"\nuse = "counting_attention:attend"\n'
ATTENTION = """
import os
from torch.nn.functional import scaled_dot_product_attention

def attend(*args, **options):
    with open(os.environ["COUNTED"], "a") as file:
        file.write("1")
    return scaled_dot_product_attention(*args, **options)
"""


@dataclass
class Outside:
    """The services that packs call, and where packs write.

    Attributes:
        environment: what tells the packs.
    """

    base: Path
    chat: Any
    jobs: Any
    files: Any
    environment: dict[str, str] = field(default_factory=dict)


def sample_module(pack: str, name: str) -> Any:
    """A module of a sample pack's own tests."""
    spec = importlib.util.spec_from_file_location(f"samples_{name}", SAMPLES / pack / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder but for the places of models and pictures."""
    folder = tmp_path_factory.mktemp("samples")
    for name in ("models", "input/photos", "registry"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[RegistryProcess]:
    with registry_process(base / "registry") as found:
        yield found


@pytest.fixture(scope="module")
def command(base: Path, registry: RegistryProcess) -> CommandLine:
    made = CommandLine(base)
    made.environment |= {"COMFY_PACKS_CACHE": str(base / "cache"), "COMFY_PACKS_REGISTRY": registry.url}
    return made


@pytest.fixture(scope="module")
def installed(base: Path, registry: RegistryProcess, command: CommandLine) -> dict[str, Any]:
    """What the installation of all of them at once said; each was published by its author's command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMFY_PACKS_TOKEN", registry.publisher("samples"))
        for pack in PACKS:
            publish(SAMPLES / pack, registry.url, token_file=base / "none.json")
    ended = command("install", *PACKS, "--json")
    assert ended.code == 0, ended.out + ended.err
    return ended.json


@pytest.fixture(scope="module")
def outside(base: Path) -> Iterator[Outside]:
    with ExitStack() as stack:
        chat = stack.enter_context(closing(sample_module("prompt-enhancer", "chat_server").ChatServer()))
        jobs = stack.enter_context(closing(sample_module("api-image", "job_server").JobServer()))
        files = stack.enter_context(closing(sample_module("data-pipeline", "file_server").FileServer()))
        (base / "counting_attention.py").write_text(ATTENTION, encoding="utf-8")
        (base / "rules.toml").write_text(RULES, encoding="utf-8")
        places = {"RUN_LOGGER_CSV": "times.csv", "RUN_REPORT_DIR": "reports", "PLACEMENT_RULES": "rules.toml"}
        environment = {
            **{name: str(base / place) for name, place in places.items()},
            "COUNTED": str(base / "counted"),
            "PYTHONPATH": str(base),
            "PROMPT_ENHANCER_URL": chat.address,
            "PROMPT_ENHANCER_MODEL": "praise-1",
            "API_IMAGE_URL": jobs.address,
            "API_IMAGE_KEY": "a-key",
            "DATA_PIPELINE_HOSTS": "127.0.0.1",
        }
        yield Outside(base, chat, jobs, files, environment)


@pytest.fixture(scope="module")
def host(base: Path, installed: dict[str, Any], outside: Outside) -> Iterator[ServingProcess]:
    with serving_process(base, "--models-dir", str(ROOT / "models"), environment=outside.environment) as found:
        yield found


Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(host: ServingProcess) -> Run:
    """Runs a pack's own workflow on the host, and gives what its nodes show."""

    def run_(pack: str, name: str, **overrides: Any) -> dict[str, Any]:
        prompt = json.loads((SAMPLES / pack / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
        for place, value in overrides.items():
            node, _, key = place.removeprefix("node").partition("_")
            prompt[node]["inputs"][key] = value
        queued = host.ask("/prompt", {"prompt": prompt})
        assert "prompt_id" in queued, queued
        entry: Mapping[str, Any] = {}

        def is_done() -> bool:
            nonlocal entry
            entry = host.ask(f"/history/{queued['prompt_id']}").get(queued["prompt_id"], {})
            return bool(entry)

        wait_for(is_done, host.process)
        assert entry["status"]["status_str"] == "success", entry["status"]
        return dict(entry["outputs"])

    return run_


def pictures(base: Path, outputs: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The sizes of all pictures that were saved."""
    from PIL import Image

    sizes = []
    for shown in outputs.values():
        for item in shown.get("images", ()):
            with Image.open(base / "output" / item["subfolder"] / item["filename"]) as image:
                sizes.append(image.size)
    return sizes


def test_all_of_them_are_installed_from_the_registry(installed: dict[str, Any], command: CommandLine) -> None:
    assert {row["id"]: row["after"] for row in installed["packs"]} == PACKS
    rows = command("list", "--json").json
    assert {row["from"] for row in rows} == {command.environment["COMFY_PACKS_REGISTRY"]}
    found = command("conflicts", "--json")
    assert [row for row in found.json if row["level"] != "information"] == []
    assert found.code == 0


@pytest.mark.parametrize(
    ("pack", "workflow", "sizes"),
    [
        ("image-filters", "sketch", [(96, 64)]),
        ("palette", "repaint", [(192, 64)]),
        ("custom-sampler", "ralston", [(128, 128)]),
        ("custom-family", "shapes", [(128, 128)] * 16),
        ("raycaster", "walk", None),
        ("run-logger", "two_nodes", [(96, 64)]),
        ("run-report", "two_nodes", [(96, 64)]),
    ],
)
def test_its_workflow_gives_pictures(
    run: Run, base: Path, pack: str, workflow: str, sizes: list[tuple[int, int]] | None
) -> None:
    found = pictures(base, run(pack, workflow))
    assert found
    assert sizes is None or found == sizes


def test_a_language_model_rewrites_a_prompt(run: Run, outside: Outside) -> None:
    outputs = run("prompt-enhancer", "enhance")
    assert outputs["2"]["text"] == ["a lighthouse at dusk, beautifully lit 0"]
    assert outside.chat.requests[0]["model"] == "praise-1"


def test_a_picture_is_made_behind_an_api(run: Run, base: Path, outside: Outside) -> None:
    assert pictures(base, run("api-image", "lighthouse")) == [(512, 384)]
    assert outside.jobs.keys == {"Bearer a-key"}


def test_files_are_fetched_and_a_folder_goes_in_and_out(run: Run, base: Path, outside: Outside) -> None:
    from PIL import Image

    Image.new("RGB", (80, 40), "red").save(base / "input" / "photos" / "red.png")
    outside.files.files["/photo.png"] = (200, {}, (base / "input" / "photos" / "red.png").read_bytes())
    outputs = run("data-pipeline", "download", node1_url=f"http://{outside.files.host}/photo.png")
    (fetched,) = outputs["2"]["text"]
    assert (base / "input" / fetched).read_bytes() == outside.files.files["/photo.png"][2]
    run("data-pipeline", "folder")
    with Image.open(base / "output" / "thumbnails" / "red.png") as image:
        assert image.size == (64, 64)


def test_rules_choose_the_attention(run: Run, base: Path) -> None:
    assert pictures(base, run("placement", "by_rules")) == [(128, 128)]
    assert (base / "counted").stat().st_size > 0


def test_the_interface_greets_and_a_route_answers(run: Run, host: ServingProcess) -> None:
    assert run("web-hello", "hello")["2"]["text"] == ["Hallo, Ada!"]
    assert "Ada" in json.dumps(host.ask("/web-hello/greeting?name=Ada&language=en"))
    assert any("hello.js" in path for path in host.ask("/extensions"))


def test_runs_are_logged_and_reported(run: Run, base: Path) -> None:
    run("run-report", "two_nodes", node1_width=32)
    with (base / "times.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"core/EmptyImage", "core/SaveImage"} <= {row["type"] for row in rows}
    assert len(list((base / "reports").glob("*.jsonl"))) >= 1
