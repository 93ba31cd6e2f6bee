"""Images as image encoders want them."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate


def prepare_images(images: Tensor, size: int, mean: Sequence[float], std: Sequence[float], *, crop: bool) -> Tensor:
    """Images [batch, 3, size, size], rounded to eight bits and normalised by channel.

    Resizing is bicubic with antialiasing, as in OpenAI's code.

    Args:
        images: [batch, height, width, channel], in 0..1; channels beyond the third are left out.
        crop: keep the proportions and cut off what is left of the longer side, the same at both ends; otherwise the
            whole image is squeezed into the square.
    """
    pixels = images[..., :3].movedim(-1, 1)
    if tuple(pixels.shape[-2:]) != (size, size):
        factor = size / min(pixels.shape[-2:])
        sides = [round(side * factor) for side in pixels.shape[-2:]] if crop else [size, size]
        pixels = interpolate(pixels, size=sides, mode="bicubic", antialias=True)
        top, left = ((side - size) // 2 for side in pixels.shape[-2:])
        pixels = pixels[..., top : top + size, left : left + size]
    eight_bits = (pixels * 255.0).clamp(0.0, 255.0).round() / 255.0
    means, deviations = (eight_bits.new_tensor(values).reshape(3, 1, 1) for values in (mean, std))
    return (eight_bits - means) / deviations
