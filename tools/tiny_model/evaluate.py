"""Measure the model that ships: ``python -m tools.tiny_model.evaluate``.

Samples unseen prompts through the host, as ``comfy-nodes run`` would, and counts in how many pictures the
objects' colours, the background's colour and the sides are right. Beside it: the same prompts at cfg 1, the pictures
judged against each other's prompts, which shows that the measure can fail, and rendered pictures as the ceiling.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from safetensors import safe_open

from host.app import Host, create_host
from host.settings import load_settings
from tools.tiny_model.card import write_card
from tools.tiny_model.measure import Verdict, judge
from tools.tiny_model.scenes import COLOURS, SHAPES, Scene, render, sample_scene

SEED = 20_000


def unseen_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of a generator that training never used."""
    rng = random.Random(f"evaluation-{seed}")
    return [sample_scene(rng) for _ in range(count)]


def workflow(checkpoint: str, prompts: Sequence[str], *, size: int, steps: int, cfg: float, seed: int) -> dict:
    """A prompt in API format with one picture for each caption, sharing one model."""
    nodes = {
        "model": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "empty": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["model", 1]}},
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": size, "height": size, "batch_size": 1}},
    }
    for i, prompt in enumerate(prompts):
        nodes[f"text{i}"] = {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["model", 1]}}
        nodes[f"sample{i}"] = {
            "class_type": "KSampler",
            "inputs": {
                "model": ["model", 0],
                "positive": [f"text{i}", 0],
                "negative": ["empty", 0],
                "latent_image": ["latent", 0],
                "seed": seed + i,
                "steps": steps,
                "cfg": cfg,
                "denoise": 1.0,
                "sampler_name": "euler",
                "scheduler": "normal",
            },
        }
        nodes[f"decode{i}"] = {"class_type": "VAEDecode", "inputs": {"samples": [f"sample{i}", 0], "vae": ["model", 2]}}
        nodes[f"save{i}"] = {
            "class_type": "SaveImage",
            "inputs": {"images": [f"decode{i}", 0], "filename_prefix": f"evaluate/{i:03d}"},
        }
    return nodes


def sample(host: Host, output: Path, prompts: Sequence[str], **options: object) -> list[Image.Image]:
    """The pictures the host makes of the prompts, in order."""
    outcome = host.run(workflow(prompts=prompts, **options))  # type: ignore[arg-type]
    shown = [outcome.outputs[f"save{i}"]["images"][0] for i in range(len(prompts))]
    return [Image.open(output / item["subfolder"] / item["filename"]).convert("RGB") for item in shown]


def score(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Percentages of right answers."""
    verdicts = list(verdicts)
    return {
        kind: round(100 * sum(getattr(v, kind)[0] for v in verdicts) / sum(getattr(v, kind)[1] for v in verdicts), 1)
        for kind in ("colour", "background", "side")
    }


def evaluate(checkpoint: str, count: int, seed: int, size: int, steps: int, cfg: float) -> dict[str, object]:
    scenes = unseen_scenes(count, seed)
    prompts = [scene.caption for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        settings = replace(load_settings({"base_dir": "."}, {}, Path.cwd()), output_dir=output)
        options = {"checkpoint": checkpoint, "size": size, "steps": steps, "seed": seed}
        host = create_host(settings)
        pictures = sample(host, output, prompts, cfg=cfg, **options)
        unguided = sample(host, output, prompts, cfg=1.0, **options)
    rng = random.Random(seed)
    swapped = scenes[1:] + scenes[:1]
    return {
        "prompts": count,
        "settings": {"steps": steps, "cfg": cfg, "size": size, "seed": seed, "sampler": "euler", "scheduler": "normal"},
        "model": score(map(judge, pictures, scenes)),
        "without guidance (cfg 1)": score(map(judge, unguided, scenes)),
        "swapped prompts": score(map(judge, pictures, swapped)),
        "rendered pictures": score(judge(render(scene, size, rng), scene) for scene in scenes),
    }


def file_facts(path: Path) -> dict[str, object]:
    """What the card says of the file and of how it was trained."""
    content = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        parameters = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 - no mapping
        steps = json.loads(file.metadata()["comfy_nodes.training"])
    return {
        "parameters": parameters / 1e6,
        "megabytes": len(content) / 1e6,
        "sha256": hashlib.sha256(content).hexdigest(),
        "colours": ", ".join(COLOURS),
        "shapes": ", ".join(SHAPES),
        "vae_steps": steps["vae"],
        "diffusion_steps": steps["diffusion"],
        "command": "python -m tools.tiny_model.evaluate --card models/checkpoints/tiny-shapes.md",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="tiny-shapes.safetensors")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=5.0)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--card", type=Path, help="also write the model's card to this file")
    options = parser.parse_args()
    figures = evaluate(options.checkpoint, options.count, options.seed, options.size, options.steps, options.cfg)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.card:
        options.card.write_text(write_card(figures, file_facts(Path("models/checkpoints") / options.checkpoint)))
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
