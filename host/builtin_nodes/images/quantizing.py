"""Pictures in few colours."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_LEVELS = 256


def quantized(picture: Tensor, colours: int, dither: str) -> Tensor:
    """A picture [height, width, 3] in a palette of at most ``colours`` colours, chosen by median cut.

    Args:
        dither: "none", "floyd-steinberg", or "bayer-N" with N a power of 2.
    """
    # Values beyond 0..1, from resizing that overshoots, would wrap round to the opposite end.
    pixels = (picture[..., :3].float() * 255).clamp(0, 255).to("cpu", torch.uint8).numpy()
    image = Image.fromarray(pixels)
    palette = image.quantize(colors=colours)
    method = Image.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else Image.Dither.NONE
    if dither.startswith("bayer-"):
        used = len(palette.getpalette() or ()) // 3
        image = Image.fromarray(_with_pattern(pixels, int(dither.removeprefix("bayer-")), 2 * _LEVELS / used))
    reduced = image.quantize(palette=palette, dither=method).convert("RGB")
    return torch.from_numpy(np.array(reduced)).to(picture) / 255


def _with_pattern(pixels: np.ndarray, side: int, spread: float) -> np.ndarray:
    """8-bit pixels [height, width, 3] plus a repeated pattern of thresholds of that spread."""
    height, width = pixels.shape[:2]
    pattern = spread * bayer(side) + 0.5
    tiled = np.tile(pattern, (-(-height // side), -(-width // side)))[:height, :width, None]
    return np.clip(pixels.astype(np.float32) + tiled.astype(np.float32), 0, 255).astype(np.uint8)


def bayer(side: int) -> np.ndarray:
    """Bayer's threshold matrix [side, side] for ordered dithering, around 0 and within ±0.5 (Bayer 1973).

    Raises:
        ValueError: the side is no power of 2.
    """
    if side < 1 or side & (side - 1):
        raise ValueError(f"a threshold matrix of side {side} does not exist: take a power of 2")
    if side == 1:
        return np.zeros((1, 1))
    inner = side * side * bayer(side // 2)
    return np.block([[inner - 1.5, inner + 0.5], [inner + 1.5, inner - 0.5]]) / (side * side)
