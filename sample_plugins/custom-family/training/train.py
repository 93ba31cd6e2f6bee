"""Trains the model that the pack ships: ``python training/train.py`` writes ``tiny_ddpm/weights``.

Pictures of 16 x 16 pixels, each a bright disc or square on a dark ground, are drawn as they are needed; there is no
data set. One CPU core and three minutes are enough; equal versions of torch give equal weights.
"""

# ruff: noqa: TID253 - a program of its own
from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

PACK = Path(__file__).parents[1]
sys.path.insert(0, str(PACK))
TARGET = PACK / "tiny_ddpm" / "weights" / "tiny-shapes-ddpm.safetensors"
SIZE, BATCH, RATE = 16, 32, 3e-3


def pictures(count: int, random: torch.Generator) -> Tensor:
    """[count, 3, 16, 16] in -1..1: a disc or a square of a bright colour on a dark one."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=random) * (high - low) + low

    across, down = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="xy")
    x, y = across - uniform(5, 11, 1, 1), down - uniform(5, 11, 1, 1)
    disc, square = (x**2 + y**2).sqrt(), torch.maximum(x.abs(), y.abs()) * 1.13
    distance = torch.where(uniform(0, 1, 1, 1) < 0.5, disc, square)
    inside = (uniform(2.5, 5.0, 1, 1) - distance + 0.5).clamp(0, 1)[:, None]  # one pixel of soft edge
    hue = uniform(0, 2 * math.pi, 1)
    thirds = torch.tensor([0, 2, 4]) * math.pi / 3
    bright = 0.55 + 0.45 * torch.cos(hue - thirds)
    dark = 0.12 + 0.10 * torch.cos(uniform(0, 2 * math.pi, 1) - thirds)
    return 2 * (inside * bright[..., None, None] + (1 - inside) * dark[..., None, None]) - 1


def train(steps: int, width: int, time_width: int) -> dict[str, Tensor]:
    """The averaged weights after so many steps."""
    from tiny_ddpm.levels import TRAINING_STEPS, alpha_bars
    from tiny_ddpm.network import Network, NetworkConfig

    torch.set_num_threads(1)
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(1)
    network = Network(NetworkConfig(3, width, time_width))
    print(f"{sum(p.numel() for p in network.parameters()):,} weights")
    kept = alpha_bars().float()
    averaged = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.0)
    smooth_loss = 1.0
    for count in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, count / 100) * (0.5 + 0.5 * math.cos(math.pi * count / steps))
        clean = pictures(BATCH, random)
        step = torch.randint(TRAINING_STEPS, (BATCH,), generator=random)
        noise = torch.randn(clean.shape, generator=random)
        level = kept[step][:, None, None, None]
        loss = (network(level.sqrt() * clean + (1 - level).sqrt() * noise, step) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, weight in network.named_parameters():
                averaged[name].lerp_(weight, 1 - min(0.998, count / (count + 20)))
        smooth_loss += 0.02 * (loss.item() - smooth_loss)
        if (count + 1) % 500 == 0:
            print(
                f"{count + 1:6} steps, {time.process_time():5.0f} s of processor time, loss {smooth_loss:.4f}",
                flush=True,
            )
    return averaged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5_500)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--time-width", type=int, default=64)
    arguments = parser.parse_args()
    weights = train(arguments.steps, arguments.width, arguments.time_width)
    TARGET.parent.mkdir(exist_ok=True)
    save_file({f"ddpm.{name}": weight.contiguous() for name, weight in weights.items()}, TARGET)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
