"""Packs that lean on their host as popular ones do give what the host's own nodes give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from host.app import Host
from host.comfyui import finder
from host.comfyui.home import Home, attach, home
from host.engine.events import NodeProgress
from tests.support.comfy_host import PICTURE_PACK, host_with_packs
from tests.support.tiny_checkpoint import write_tiny_checkpoint

TAKER = """
    taken = {}
    class Take:
        RETURN_TYPES = ()
        FUNCTION = "take"
        OUTPUT_NODE = True
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"name": ("STRING", {}), "images": ("IMAGE",)}, "optional": {"latent": ("LATENT",)}}
        def take(self, name, images, latent=None):
            taken[name] = (images, latent)
            return ()
    NODE_CLASS_MAPPINGS = {"Take": Take}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("host")
    write_tiny_checkpoint(base / "models" / "checkpoints" / "tiny.safetensors")
    taker = base / "taker"
    taker.mkdir()
    (taker / "__init__.py").write_text("\n".join(line[4:] for line in TAKER.splitlines()))
    return base


@pytest.fixture(scope="module")
def built(base: Path) -> tuple[Host, Home]:
    return host_with_packs(base, [PICTURE_PACK, base / "taker"]), home()


@pytest.fixture
def host(built: tuple[Host, Home]) -> Host:
    finder.install()
    attach(built[1])
    return built[0]


def taken(host: Host, prompt: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What the nodes Take of a prompt got, by name."""
    seen: dict[str, tuple[Any, Any]] = host.registry.manager.get_plugin("taker:taker").module.taken
    seen.clear()
    host.run(prompt)
    return dict(seen)


def of_pack(**inputs: Any) -> dict[str, Any]:
    facts = {"ckpt_name": "tiny.safetensors", "prompt": "a (hill:1.2)", "seed": 5, "steps": 2}
    facts |= {"sampler_name": "euler", "scheduler": "normal", "size": 64}
    return {"class_type": "PictureFromPrompt", "inputs": facts | inputs}


def take(name: str, images: list[Any], latent: list[Any] | None = None) -> dict[str, Any]:
    inputs = {"name": name, "images": images} | ({} if latent is None else {"latent": latent})
    return {"class_type": "Take", "inputs": inputs}


CORE: dict[str, dict[str, Any]] = {
    "c1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}},
    "c2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["c1", 1], "text": "a (hill:1.2)"}},
    "c3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["c1", 1], "text": ""}},
    "c4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "c5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["c1", 0],
            "positive": ["c2", 0],
            "negative": ["c3", 0],
            "latent_image": ["c4", 0],
            "seed": 5,
            "steps": 2,
            "cfg": 4.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "c6": {"class_type": "VAEDecode", "inputs": {"samples": ["c5", 0], "vae": ["c1", 2]}},
}


def test_a_pack_that_calls_the_host_s_nodes_makes_the_same_picture_as_these_nodes(host: Host) -> None:
    prompt = {**CORE, "p": of_pack(), "t1": take("core", ["c6", 0], ["c5", 0]), "t2": take("pack", ["p", 0], ["p", 1])}
    seen = taken(host, prompt)
    (core, core_latent), (pack, pack_latent) = seen["core"], seen["pack"]
    assert pack.shape == (1, 64, 64, 3)
    assert pack.equal(core)
    assert pack_latent["samples"].equal(core_latent["samples"])


@pytest.mark.parametrize("way", ["common_ksampler", "comfy.sample", "custom"])
def test_every_way_of_sampling_gives_the_same_latent(host: Host, way: str) -> None:
    again = {"pipe": ["p", 3], "prompt": "a (hill:1.2)", "seed": 5, "steps": 2, "way": way}
    prompt = {
        "p": of_pack(),
        "a": {"class_type": "PictureAgain", "inputs": again},
        "t1": take("node", ["p", 0], ["p", 1]),
        "t2": take("again", ["a", 0], ["a", 1]),
    }
    seen = taken(host, prompt)
    node, again_latent = seen["node"][1]["samples"], seen["again"][1]["samples"]
    assert (node - again_latent).abs().max() < 1e-5
    assert (seen["node"][0] - seen["again"][0]).abs().max() < 1e-5


def test_what_a_pack_passes_on_is_taken_by_the_host_s_nodes(host: Host) -> None:
    sampler = {**CORE["c5"], "inputs": {**CORE["c5"]["inputs"], "model": ["p", 2]}}
    prompt = {**CORE, "c5": sampler, "p": of_pack(), "t1": take("mixed", ["c6", 0]), "t2": take("pack", ["p", 0])}
    seen = taken(host, prompt)
    assert seen["mixed"][0].equal(seen["pack"][0])


def test_a_pack_s_graph_may_hold_models(host: Host) -> None:
    expanded = {"class_type": "PictureExpanded", "inputs": {"pipe": ["p", 3], "latent": ["p", 1]}}
    prompt = {"p": of_pack(), "e": expanded, "t1": take("expanded", ["e", 0]), "t2": take("pack", ["p", 0])}
    seen = taken(host, prompt)
    assert seen["expanded"][0].equal(seen["pack"][0])


def test_a_pack_upscales_with_progress_and_saves_in_its_own_way(host: Host, base: Path) -> None:
    prompt = {
        "p": of_pack(),
        "u": {"class_type": "PictureUpscale", "inputs": {"image": ["p", 0], "factor": 2}},
        "s": {"class_type": "PictureSave", "inputs": {"images": ["u", 0], "filename_prefix": "hill", "album": "walks"}},
        "t": take("upscaled", ["u", 0]),
    }
    events: list[Any] = []

    class Heard:
        def emit(self, event: Any) -> None:
            events.append(event)

    report = host.run(prompt, events=Heard())
    (shown,) = report.outputs["s"]["images"]
    assert (shown["subfolder"], shown["type"]) == ("walks", "output")
    with Image.open(base / "output" / "walks" / shown["filename"]) as picture:
        assert "PictureSave" in picture.text["prompt"]  # type: ignore[attr-defined]
        pixels = np.asarray(picture)
    assert pixels.shape == (128, 128, 3)
    images, _ = host.registry.manager.get_plugin("taker:taker").module.taken["upscaled"]
    assert np.abs(pixels / 255.0 - images[0].numpy()).max() < 1 / 255 + 1e-6
    progress = {event.node.node_id for event in events if isinstance(event, NodeProgress)}
    assert {"p", "u"} <= progress


def test_lists_of_files_are_those_of_today(host: Host, base: Path) -> None:
    def offered() -> list[str]:
        schema = host.catalogue.current().find("PictureFromPrompt")
        assert schema is not None
        return list(schema.node.inputs[0].choices or ())

    assert offered() == ["tiny.safetensors"]
    more = base / "models" / "checkpoints" / "more.safetensors"
    more.write_bytes(b"")
    assert offered() == ["more.safetensors", "tiny.safetensors"]
    more.unlink()
    assert offered() == ["tiny.safetensors"]
