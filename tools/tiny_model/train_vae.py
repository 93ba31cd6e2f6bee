"""Train the autoencoder: ``python -m tools.tiny_model.train_vae``.

Runs on two CPU cores; stops and resumes at any step. The batch of a step is a pure function of
the seed and the step number, so a resumed run sees the data an unbroken one would have seen.

Two stages: on plain scenes the network learns backgrounds and outlines, then on crowded ones, with a heavier
weight on what is not background, the colours of small things.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tools.tiny_model import checkpoints
from tools.tiny_model.architecture import build_vae
from tools.tiny_model.command_line import BUILD, read_options
from tools.tiny_model.scenes import render, sample_crowd, sample_scene

BATCH = {64: 8, 96: 4, 128: 2}
KL_WEIGHT = 1e-6


@dataclass(frozen=True)
class Stage:
    """A stretch of steps with its own learning-rate curve.

    Attributes:
        crowded: share of crowded pictures.
        emphasis: how much more an error counts on objects than on the background.
    """

    steps: int
    peak: float
    crowded: float
    emphasis: float


STAGES = (
    Stage(steps=5000, peak=1e-3, crowded=0.0, emphasis=0.0),
    Stage(steps=5000, peak=1e-3, crowded=0.6, emphasis=3.0),
)


def place_of(step: int) -> tuple[Stage, int]:
    """The stage a step belongs to, and its number in there."""
    for stage in STAGES:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ValueError(f"step {step} is past the last stage")


def batch(seed: int, step: int, size: int, crowded: float) -> torch.Tensor:
    """[B, 3, size, size] float32 in -1..1."""
    rng = random.Random(f"vae-{seed}-{step}")
    pictures = []
    for _ in range(BATCH[size]):
        scene = sample_crowd(rng) if crowded and rng.random() < crowded else sample_scene(rng)
        pictures.append(np.asarray(render(scene, size, rng)))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def size_of_step(step: int, steps: int) -> int:
    """Mostly 64 px; in a stage's last quarter also 96 and 128 px, so that other sizes work."""
    if step < 0.75 * steps:
        return 64
    return (64, 96, 64, 128)[step % 4]


def object_weight(pixels: torch.Tensor, emphasis: float) -> torch.Tensor:
    """[B, 1, H, W]: 1 on the background, ``1 + emphasis`` on objects, with mean 1."""
    background = pixels.flatten(2).mode(dim=2).values[:, :, None, None]
    differs = (pixels - background).abs().amax(1, keepdim=True) > 0.1
    weight = 1 + emphasis * differs
    return weight / weight.mean((1, 2, 3), keepdim=True)


def loss_of(vae: torch.nn.Module, pixels: torch.Tensor, emphasis: float) -> tuple[torch.Tensor, float]:
    """Reconstruction (L1 + L2) and a weak pull towards a unit Gaussian; also the bare L1."""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(pixels).latent_dist
        decoded = vae.decode(posterior.sample()).sample.float()
    error, weight = decoded - pixels, object_weight(pixels, emphasis)
    reconstruction = (weight * (error.abs() + 2 * error.square())).mean()
    return reconstruction + KL_WEIGHT * posterior.kl().float().mean(), float(error.detach().abs().mean())


def train(directory: Path, seed: int, save_every: int) -> None:
    steps = sum(stage.steps for stage in STAGES)
    torch.manual_seed(seed)
    vae = build_vae()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    ema = checkpoints.Ema(vae, 0.998)
    path, first = directory / "vae.pt", 0
    if state := checkpoints.load(path):
        vae.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        ema.shadow, first = state["ema"], state["step"]
    began = time.monotonic()
    for step in range(first, steps):
        stage, here = place_of(step)
        for group in optimiser.param_groups:
            group["lr"] = checkpoints.cosine(here, stage.steps, stage.peak, 2e-5, 50)
        torch.manual_seed(seed * 1_000_003 + step)
        pixels = batch(seed, step, size_of_step(here, stage.steps), stage.crowded)
        loss, l1 = loss_of(vae, pixels, stage.emphasis)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        ema.update(vae, step)
        if (step + 1) % 50 == 0:
            rate = (time.monotonic() - began) / (step + 1 - first)
            print(f"vae step {step + 1}/{steps} l1 {l1:.4f} loss {loss.item():.4f} {rate:.2f} s/step", flush=True)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            checkpoints.save(
                path,
                {"model": vae.state_dict(), "ema": ema.shadow, "optimiser": optimiser.state_dict(), "step": step + 1},
            )


def main() -> None:
    options = read_options(__doc__, directory=BUILD, save_every=200)
    train(options.directory, options.seed, options.save_every)


if __name__ == "__main__":
    main()
