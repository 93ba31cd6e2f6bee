"""Nodes that cut, turn, mirror and join latents in space and time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Latent, NodeError, NodeType, Range, Shaped, TypedCombo, hookimpl, node

_CELL = 8
"""Image pixels that places and sizes are counted in, along each side."""
_SMALLEST = 8
"""Cells that a piece keeps at least, where the latent has them."""

QUARTER_TURNS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}
DIMENSIONS = {"x": -1, "y": -2, "t": -3}
"""Of a video; a picture has its channels where a video has its time."""
Spatial = Annotated[Latent, Shaped(dimensions=(4, 5))]
Side = Annotated[int, Range(64, 16384, 8)]
Place = Annotated[int, Range(0, 16384, 8)]


@node(id="LatentRotate", title="Rotate Latent", category="latent/transform", output_tooltips=("The turned latent.",))
def latent_rotate(samples: Spatial, rotation: Literal["none", "90 degrees", "180 degrees", "270 degrees"]) -> Latent:
    """Turn a latent clockwise.

    Args:
        samples: The latent.
        rotation: How far.
    """
    return {**samples, "samples": samples["samples"].rot90(QUARTER_TURNS[rotation], dims=(3, 2))}


@node(id="LatentFlip", title="Flip Latent", category="latent/transform", output_tooltips=("The mirrored latent.",))
def latent_flip(samples: Spatial, flip_method: Literal["x-axis: vertically", "y-axis: horizontally"]) -> Latent:
    """Mirror a latent.

    Args:
        samples: The latent.
        flip_method: Vertically swaps top and bottom, horizontally swaps left and right.
    """
    return {**samples, "samples": samples["samples"].flip(2 if flip_method.startswith("x") else 3)}


@node(id="LatentCrop", title="Crop Latent", category="latent/transform", output_tooltips=("The piece.",))
def latent_crop(samples: Spatial, width: Side = 512, height: Side = 512, x: Place = 0, y: Place = 0) -> Latent:
    """A rectangular piece of a latent; smaller than wanted where the latent ends.

    It begins so that 8 cells are left. Of a latent with fewer, it is the part at the far corner that a piece which
    begins outside of the latent has in common with it.

    Args:
        samples: The latent.
        width: Width of the piece, in pixels of the image.
        height: Height of the piece, in pixels of the image.
        x: Left edge of the piece, in pixels of the image.
        y: Top edge of the piece, in pixels of the image.
    """
    latent = samples["samples"]
    top, left = (min(at // _CELL, side - _SMALLEST) for at, side in zip((y, x), latent.shape[-2:], strict=True))
    piece = latent[..., top : top + height // _CELL, left : left + width // _CELL]
    if not piece.numel():
        rows, columns = latent.shape[-2:]
        raise NodeError(
            f"Nothing of a latent of {columns} x {rows} cells is within a piece of {width} x {height} pixels: "
            f"one needs {_SMALLEST} x {_SMALLEST} cells for that. Take a larger piece or leave it whole."
        )
    return {**samples, "samples": piece}


@node(id="LatentConcat", category="latent/advanced", output_tooltips=("The joined latent.",))
def latent_concat(
    samples1: Spatial,
    samples2: Spatial,
    dim: Annotated[Literal["x", "-x", "y", "-y", "t", "-t"], TypedCombo(multiselect=False)],
) -> Latent:
    """Join two latents along width, height or time.

    Args:
        samples1: The first latent.
        samples2: The second latent; its other sizes must be those of the first one.
        dim: Where the second one goes: to the right, below or behind; with a minus to the left, above or before.
            Pictures, which have no time, are joined along their channels instead.
    """
    import torch

    from host.builtin_nodes.batching import cycled

    first = samples1["samples"]
    second = cycled(samples2["samples"], len(first))
    pieces = (second, first) if dim.startswith("-") else (first, second)
    return {**samples1, "samples": torch.cat(pieces, dim=DIMENSIONS[dim.removeprefix("-")])}


@node(id="LatentCut", category="latent/advanced", output_tooltips=("The piece.",))
def latent_cut(
    samples: Spatial,
    dim: Annotated[Literal["x", "y", "t"], TypedCombo(multiselect=False)],
    index: Annotated[int, Range(-16384, 16384, 1)] = 0,
    amount: Annotated[int, Range(1, 16384, 1)] = 1,
) -> Latent:
    """A slice of a latent along width, height or time.

    Args:
        samples: The latent.
        dim: Along what; for pictures, which have no time, t stands for their channels.
        index: First cell or frame of the slice, counted from 0; negative numbers count from the end.
        amount: Cells or frames of the slice; fewer where the latent ends.
    """
    latent = samples["samples"]
    axis = DIMENSIONS[dim]
    length = latent.shape[axis]
    start = min(index, length - 1) if index >= 0 else max(0, length + index)
    return {**samples, "samples": latent.narrow(axis, start, min(amount, length - start))}


@node(id="TrimVideoLatent", category="latent/video", output_tooltips=("The shorter latent video.",))
def trim_video_latent(samples: Latent, trim_amount: Annotated[int, Range(0, 99999)] = 0) -> Latent:
    """Leave out the first frames of a latent video.

    Args:
        samples: The latent video.
        trim_amount: How many latent frames to leave out; each stands for several frames of the video.
    """
    return {**samples, "samples": samples["samples"][:, :, trim_amount:]}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that cut, turn, mirror and join latents."""
    return [latent_rotate, latent_flip, latent_crop, latent_concat, latent_cut, trim_video_latent]
