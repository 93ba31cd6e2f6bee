"""Filters on tensors [batch, height, width, channel] in 0..1; each gives a new tensor and keeps alpha as it is."""

# ruff: noqa: TID253 - imported inside node bodies, never when the pack is loaded
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

LUMA = (0.2126, 0.7152, 0.0722)
"""What red, green and blue add to brightness (Rec. ITU-R BT.709, item 3.2)."""


def levels(image: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """``black`` becomes 0 and ``white`` 1, with ``gamma`` between them: above 1 the middle gets lighter."""
    stretched = (_colours(image) - black) / max(white - black, 1e-6)
    return _with_alpha(stretched.clamp(0, 1) ** (1 / gamma), image)


def unsharp_mask(image: Tensor, radius: float, amount: float, threshold: float) -> Tensor:
    """Differences from a blurred copy, times ``amount``, where they are above ``threshold``."""
    colours = _colours(image)
    difference = colours - gaussian(colours, radius)
    difference = torch.where(difference.abs() > threshold, difference, torch.zeros_like(difference))
    return _with_alpha((colours + amount * difference).clamp(0, 1), image)


def vignette(image: Tensor, strength: float, radius: float) -> Tensor:
    """Darker towards the corners; ``radius`` is where that begins, 0 the centre and 1 the corners."""
    height, width = image.shape[1:3]
    y = torch.linspace(-1, 1, height, device=image.device).reshape(-1, 1)
    x = torch.linspace(-1, 1, width, device=image.device).reshape(1, -1)
    distance = ((x**2 + y**2) / 2).sqrt()
    ramp = ((distance - radius) / max(1 - radius, 1e-6)).clamp(0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return _with_alpha(_colours(image) * (1 - strength * smooth)[..., None], image)


def grain(image: Tensor, amount: float, seed: int) -> Tensor:
    """Normally distributed brightness, strongest in the middle tones; each image of a batch has its own."""
    # A seed has 64 bits, of which torch takes the lower 63 as they are.
    random = torch.Generator().manual_seed(seed % 2**63)
    colours = _colours(image)
    noise = torch.randn(*image.shape[:3], 1, generator=random).to(colours)
    bright = brightness(colours)
    return _with_alpha((colours + amount * noise * 4 * bright * (1 - bright)).clamp(0, 1), image)


def median(image: Tensor, radius: int) -> Tensor:
    """The median of the square of ``2 * radius + 1`` pixels around each, channel by channel; edges are repeated."""
    side = 2 * radius + 1
    channels = _colours(image).movedim(-1, 1)
    padded = pad(channels, (radius, radius, radius, radius), mode="replicate")
    windows = padded.unfold(2, side, 1).unfold(3, side, 1).flatten(-2)
    return _with_alpha(windows.median(dim=-1).values.movedim(1, -1), image)


def sketch(image: Tensor, strength: float) -> Tensor:
    """Dark lines on white where the brightness changes (Sobel 1968)."""
    bright = brightness(_colours(image)).movedim(-1, 1)
    kernel = torch.tensor([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]], device=image.device) / 4
    padded = pad(bright, (1, 1, 1, 1), mode="replicate")
    slopes = conv2d(padded, torch.stack([kernel, kernel.T])[:, None])
    edges = (slopes.square().sum(dim=1) + 1e-12).sqrt()
    lines = (1 - strength * edges).clamp(0, 1)[..., None]
    return _with_alpha(lines.expand(*lines.shape[:3], 3), image)


def gaussian(image: Tensor, radius: float) -> Tensor:
    """Blurred with a standard deviation of ``radius`` pixels, edges repeated."""
    if radius <= 0:
        return image
    reach = max(1, round(3 * radius))
    offsets = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / radius) ** 2)
    weights = weights / weights.sum()
    channels = image.movedim(-1, 1)
    count = channels.shape[1]
    padded = pad(channels, (reach, reach, reach, reach), mode="replicate")
    rows = conv2d(padded, weights.reshape(1, 1, 1, -1).repeat(count, 1, 1, 1), groups=count)
    return conv2d(rows, weights.reshape(1, 1, -1, 1).repeat(count, 1, 1, 1), groups=count).movedim(1, -1)


def brightness(colours: Tensor) -> Tensor:
    """[…, 1] of [..., 3]."""
    return (colours * torch.tensor(LUMA, device=colours.device)).sum(dim=-1, keepdim=True)


def _colours(image: Tensor) -> Tensor:
    return image[..., :3].float()


def _with_alpha(colours: Tensor, image: Tensor) -> Tensor:
    return torch.cat([colours, image[..., 3:].float()], dim=-1)
