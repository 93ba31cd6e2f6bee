"""Palettes and pixels: plain functions on tensors, without nodes. Images are [height, width, channel] in 0..1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.colours import Colour, make_palette

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE_LIMIT = 2**20
"""The most pixels looked at for a palette; of larger images every so-manyth."""

_CHUNK = 2**16


def extract(images: Tensor, colours: int, *, refine: bool) -> tuple[Colour, ...]:
    """The colours that represent [batch, height, width, channel] best, the most frequent first.

    Heckbert, "Color image quantization for frame buffer display" (1982): median cut, whose result k-means may refine.
    Gives fewer colours where the images have fewer.
    """
    from PIL import Image

    pixels = images[..., :3].reshape(-1, 3)
    pixels = pixels[:: -(-len(pixels) // SAMPLE_LIMIT)]
    picture = Image.fromarray(_bytes(pixels).reshape(1, -1, 3).numpy())
    indexed = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=int(refine))
    table: Any = indexed.getpalette("RGB")
    counts: Any = indexed.getcolors(256)
    ranked = [index for _, index in sorted(counts, key=lambda item: (-item[0], item[1]))]
    return make_palette(tuple(table[3 * index : 3 * index + 3]) for index in ranked)


def nearest(image: Tensor, palette: tuple[Colour, ...]) -> Tensor:
    """The image with every pixel replaced by the palette's nearest colour, by distance in RGB; alpha stays."""
    import torch

    table = torch.tensor(palette, dtype=torch.float32, device=image.device) / 255
    pixels = image[..., :3].reshape(-1, 3).float()
    nearest_of = [torch.cdist(part, table).argmin(dim=1) for part in pixels.split(_CHUNK)]
    return _with_alpha(table[torch.cat(nearest_of)].reshape(*image.shape[:-1], 3), image)


def dithered(image: Tensor, palette: tuple[Colour, ...]) -> Tensor:
    """The image in the palette's colours, errors diffused to the neighbours (Floyd and Steinberg 1976); alpha stays."""
    import numpy
    import torch
    from PIL import Image

    table = Image.new("P", (1, 1))
    # Pillow fills a short table with black, which is not ours to use: repeat the last colour instead.
    full = [*palette, *[palette[-1]] * (256 - len(palette))]
    table.putpalette([part for colour in full for part in colour])
    picture = Image.fromarray(_bytes(image[..., :3]).numpy())
    indexed = picture.quantize(palette=table, dither=Image.Dither.FLOYDSTEINBERG)
    values = torch.from_numpy(numpy.array(indexed.convert("RGB"))).to(image.device)
    return _with_alpha(values.float() / 255, image)


def swatches(palette: tuple[Colour, ...], size: int) -> Tensor:
    """The palette as an image [1, size, size * colours, 3], one square for each colour."""
    import torch

    row = torch.tensor(palette, dtype=torch.float32) / 255
    return row.repeat_interleave(size, dim=0).expand(1, size, -1, 3).contiguous()


def _bytes(values: Tensor) -> Tensor:
    import torch

    return (values.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).contiguous()


def _with_alpha(colours: Tensor, image: Tensor) -> Tensor:
    import torch

    return torch.cat([colours, image[..., 3:].float()], dim=-1)
