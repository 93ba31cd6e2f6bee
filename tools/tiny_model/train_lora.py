"""Train a LoRA that gives every shape a white core: ``python -m tools.tiny_model.train_lora``.

Rank-8 updates (Hu et al. 2021) of the UNet's attention projections, saved under the names that kohya's scripts use, so
that it is read like any LoRA from elsewhere. About three minutes on two CPU cores.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor, nn

from tools.tiny_model.command_line import read_options
from tools.tiny_model.noising import as_tensor, loss_of, seeded
from tools.tiny_model.scenes import COLOURS, SUPERSAMPLING, Scene, Thing, draw_thing, render, sample_scene
from tools.tiny_model.shipped import load_shipped
from tools.tiny_model.train_diffusion import CAPTION_DROPOUT, tokenise

CORE = 0.55  # of the shape's radius
RANK = 8
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


class LowRank(nn.Module):
    """A frozen linear layer plus ``up(down(x))``."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=1 / rank)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + self.up(self.down(x))


def insert(unet: nn.Module) -> dict[str, LowRank]:
    """Replace the attention projections; gives the new layers by their former names."""
    found = [name for name, layer in unet.named_modules() if isinstance(layer, nn.Linear) and name.endswith(TARGETS)]
    layers = {}
    for name in found:
        parent, _, child = name.rpartition(".")
        layers[name] = LowRank(unet.get_submodule(name), RANK)
        setattr(unet.get_submodule(parent), child, layers[name])
    return layers


def render_with_cores(scene: Scene, size: int, rng: random.Random) -> Image.Image:
    """The scene with a white core in every shape."""
    whole = render(scene, size * SUPERSAMPLING, rng)
    draw = ImageDraw.Draw(whole)
    for thing in scene.things:
        core = Thing(thing.shape, "white", thing.size, thing.position, thing.centre, CORE * thing.radius)
        draw_thing(draw, core, whole.width, COLOURS["white"])
    return whole.resize((size, size), Image.Resampling.BOX)


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[tuple[list[str], Tensor, torch.Generator]]:
    """Captions and pictures of each step."""
    for step in range(steps):
        rng, generator = seeded("lora", seed, step)
        scenes = [sample_scene(rng) for _ in range(count)]
        captions = ["" if rng.random() < CAPTION_DROPOUT else scene.caption for scene in scenes]
        yield captions, as_tensor([render_with_cores(scene, size, rng) for scene in scenes]), generator


def train(target: Path, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = load_shipped()
    layers = insert(model.unet)
    trained = [weight for layer in layers.values() for weight in (layer.down.weight, layer.up.weight)]
    optimiser = torch.optim.AdamW(trained, lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step, (captions, pictures, generator) in enumerate(batches(24, 64, steps, seed)):
        context = model.context(torch.tensor([tokenise(caption) for caption in captions]))
        loss = loss_of(lambda x, t, c=context: model.unet(x, t, c).sample, model.encode(pictures), generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(f"lora step {step + 1}/{steps} loss {loss.item():.4f}", flush=True)
    save(layers, target)


def save(layers: dict[str, LowRank], target: Path) -> None:
    """Write the layers under kohya's names; alpha equals the rank, so a strength of 1 is what was trained."""
    tensors = {}
    for name, layer in layers.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"] = layer.down.weight.detach().half().contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.weight.detach().half().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(RANK), dtype=torch.float16)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target, metadata={"ss_base_model_version": "sd_v1", "modelspec.title": "white cores"})
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, {len(layers)} layers")


def main() -> None:
    options = read_options(__doc__, target=Path("models/loras/tiny-cores.safetensors"), steps=600)
    train(options.target, options.steps, options.seed)


if __name__ == "__main__":
    main()
