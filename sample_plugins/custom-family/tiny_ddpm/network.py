"""The network: a UNet of two resolutions on squares of pixels, whose widths are those of the file."""

# ruff: noqa: TID253 - imported when a model is built, never when the pack is loaded
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle, silu

PATCH = 2
"""Pixels along each side of a square that the network sees as one cell."""


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the network; ``channels`` is the image's, ``width`` the first resolution's."""

    channels: int
    width: int
    time_width: int


class Block(nn.Module):
    """Two convolutions around the time of the step, and a way past them."""

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.time = nn.Linear(time_width, width)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden: Tensor = self.conv1(silu(self.norm1(x)))
        hidden = hidden + self.time(time)[:, :, None, None]
        return x + self.conv2(silu(self.norm2(hidden)))


class Network(nn.Module):
    """Estimates the noise in images [batch, channel, height, width] in -1..1 at training steps [batch]."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, wide, time_width = config.width, 2 * config.width, config.time_width
        self.time_width = time_width
        self.time_in = nn.Linear(time_width, time_width)
        self.conv_in = nn.Conv2d(PATCH**2 * config.channels, width, 3, padding=1)
        self.first = Block(width, time_width)
        self.down = nn.Conv2d(width, wide, 3, stride=2, padding=1)
        self.middle1 = Block(wide, time_width)
        self.middle2 = Block(wide, time_width)
        self.up = nn.Conv2d(wide, width, 3, padding=1)
        self.merge = nn.Conv2d(2 * width, width, 1)
        self.last = Block(width, time_width)
        self.norm_out = nn.GroupNorm(8, width)
        self.conv_out = nn.Conv2d(width, PATCH**2 * config.channels, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        time = silu(self.time_in(_waves(step, self.time_width).to(x.dtype)))
        fine = self.first(self.conv_in(pixel_unshuffle(x, PATCH)), time)
        coarse = self.middle2(self.middle1(self.down(fine), time), time)
        raised = self.up(interpolate(coarse, size=fine.shape[-2:], mode="nearest"))
        merged = self.last(self.merge(torch.cat([fine, raised], dim=1)), time)
        return pixel_shuffle(self.conv_out(silu(self.norm_out(merged))), PATCH)


def _waves(step: Tensor, width: int) -> Tensor:
    """Sines and cosines of the step, [batch, width] (Vaswani et al. 2017, section 3.5)."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=step.device) * (-math.log(10_000) / half))
    angles = step.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
