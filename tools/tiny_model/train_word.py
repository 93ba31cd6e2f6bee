"""Teach the model a word for a colour it has no name for: ``python -m tools.tiny_model.train_word``.

Textual inversion (Gal et al. 2022): everything stays frozen but one vector in the place of one token. Saved as
``emb_params``, so that ``embedding:tiny-teal`` in a prompt reads it like any embedding from elsewhere.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from host.builtin_nodes.text.clip_vocabulary import clip_tokenizer
from tools.tiny_model.command_line import read_options
from tools.tiny_model.noising import as_tensor, loss_of, seeded
from tools.tiny_model.scenes import COLOURS, Scene, render, sample_scene
from tools.tiny_model.shipped import Shipped, load_shipped
from tools.tiny_model.train_diffusion import tokenise

TEAL = (20, 118, 120)
STAND_IN = "purple"
"""The word whose places in the captions the new one takes; the model knows it, so it is a fair start."""


def scene_in_teal(rng: random.Random) -> tuple[Scene, str]:
    """A scene with one object of the new colour, and its caption with the stand-in's word."""
    while True:
        scene = sample_scene(rng)
        used = {scene.background, *(thing.colour for thing in scene.things)}
        if STAND_IN not in used:
            first = replace(scene.things[0], colour=STAND_IN)
            return replace(scene, things=(first, *scene.things[1:])), scene.caption.replace(
                scene.things[0].colour, STAND_IN, 1
            )


def context_with(model: Shipped, tokens: Tensor, place: int, word: Tensor) -> Tensor:
    """Text states where ``word`` [width] stands in for every token of id ``place``."""
    table = model.text.get_input_embeddings()
    handle = table.register_forward_hook(
        lambda layer, given, out: torch.where((given[0] == place)[..., None], word, out)
    )
    try:
        return model.context(tokens)
    finally:
        handle.remove()


def train(target: Path, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = load_shipped()
    (place,) = clip_tokenizer().encode(STAND_IN, add_special_tokens=False).ids
    word = nn.Parameter(model.text.get_input_embeddings().weight[place].detach().clone())
    optimiser = torch.optim.Adam([word], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    palette = {**COLOURS, STAND_IN: TEAL}
    for step in range(steps):
        rng, generator = seeded("word", seed, step)
        scenes, captions = zip(*(scene_in_teal(rng) for _ in range(24)), strict=True)
        pictures = as_tensor([render(scene, 64, rng, palette) for scene in scenes])
        context = context_with(model, torch.tensor([tokenise(caption) for caption in captions]), place, word)
        loss = loss_of(lambda x, t, c=context: model.unet(x, t, c).sample, model.encode(pictures), generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(f"word step {step + 1}/{steps} loss {loss.item():.4f}", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": word.detach()[None].contiguous()}, target)
    print(f"{target}: one vector of width {word.numel()}")


def main() -> None:
    options = read_options(__doc__, target=Path("models/embeddings/tiny-teal.safetensors"), steps=500)
    train(options.target, options.steps, options.seed)


if __name__ == "__main__":
    main()
