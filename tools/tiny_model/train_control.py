"""Train a control network that puts shapes where a drawing has them: ``python -m tools.tiny_model.train_control``.

ControlNet (Zhang et al. 2023): a copy of the UNet's encoder that sees a drawing of outlines, joined to the frozen UNet
by convolutions that begin at zero. The captions name colours but neither shapes nor places, so only the drawing can
say those. Saved in diffusers' layout. About half an hour on two CPU cores.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import ControlNetModel
from PIL import Image, ImageDraw, ImageFilter
from safetensors.torch import save_file
from torch import Tensor

from tools.tiny_model import checkpoints
from tools.tiny_model.command_line import BUILD, read_options
from tools.tiny_model.noising import as_tensor, loss_of, seeded
from tools.tiny_model.scenes import SUPERSAMPLING, Scene, draw_thing, render, sample_scene
from tools.tiny_model.shipped import Shipped, load_shipped
from tools.tiny_model.train_diffusion import CAPTION_DROPOUT, tokenise

SIZE = 64
BATCH = 24
HINT_CHANNELS = (16, 32, 96, 128)


def outlines(scene: Scene, size: int) -> Image.Image:
    """White outlines of the scene's shapes on black, as a Canny filter would find them."""
    side = size * SUPERSAMPLING
    lines = Image.new("L", (side, side), 0)
    for thing in scene.things:
        filled = Image.new("L", (side, side), 0)
        draw_thing(ImageDraw.Draw(filled), thing, side, 255)  # type: ignore[arg-type]
        lines.paste(255, mask=filled.filter(ImageFilter.FIND_EDGES).filter(ImageFilter.MaxFilter(SUPERSAMPLING)))
    return lines.resize((size, size), Image.Resampling.BOX).point(lambda value: 255 if value > 64 else 0).convert("RGB")


def caption_of_colours(scene: Scene, rng: random.Random) -> str:
    """The caption without shapes; of places only where two objects would else be mixed up."""
    if rng.random() < CAPTION_DROPOUT:
        return ""
    words = [thing.words(say_size=False, say_position=len(scene.things) > 1) for thing in scene.things]
    words = [text.replace(thing.shape, "shape") for text, thing in zip(words, scene.things, strict=True)]
    return f"{' and '.join(words)}, {scene.background} background"


def batch(rng: random.Random) -> tuple[list[str], Tensor, Tensor]:
    """Captions, pictures and drawings of one step; things lie anywhere, not only at the model's five places."""
    scenes = []
    for _ in range(BATCH):
        scene = sample_scene(rng)
        moved = [
            replace(thing, centre=tuple(min(0.75, max(0.25, c + rng.uniform(-0.12, 0.12))) for c in thing.centre))
            for thing in scene.things
        ]
        scenes.append(replace(scene, things=tuple(moved)))
    drawings = as_tensor([outlines(scene, SIZE) for scene in scenes]).add(1).div(2)
    captions = [caption_of_colours(scene, rng) for scene in scenes]
    return captions, as_tensor([render(scene, SIZE, rng) for scene in scenes]), drawings


def predict(model: Shipped, network: ControlNetModel, x: Tensor, t: Tensor, context: Tensor, drawing: Tensor) -> Tensor:
    """Noise predicted by the UNet with the network's residuals."""
    down, middle = network(x, t, context, drawing, return_dict=False)
    return model.unet(x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample


def train(directory: Path, target: Path, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = load_shipped()
    network = ControlNetModel.from_unet(model.unet, conditioning_embedding_out_channels=HINT_CHANNELS)
    network.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-4, weight_decay=1e-4)
    path, first = directory / "control.pt", 0
    if state := checkpoints.load(path):
        network.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = checkpoints.cosine(step, steps, 5e-4, 1e-5, 100)
        rng, generator = seeded("control", seed, step)
        captions, pictures, drawings = batch(rng)
        context = model.context(torch.tensor([tokenise(caption) for caption in captions]))
        loss = loss_of(
            lambda x, t, c=context, d=drawings: predict(model, network, x, t, c, d), model.encode(pictures), generator
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 50 == 0:
            print(f"control step {step + 1}/{steps} loss {loss.item():.4f}", flush=True)
        if (step + 1) % 200 == 0 or step + 1 == steps:
            state = {"model": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            checkpoints.save(path, state)
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, target, metadata={"modelspec.title": "outlines to shapes"})
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    options = read_options(
        __doc__, directory=BUILD, target=Path("models/controlnet/tiny-outlines.safetensors"), steps=1400
    )
    train(options.directory, options.target, options.steps, options.seed)


if __name__ == "__main__":
    main()
