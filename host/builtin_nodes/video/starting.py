"""Pictures as the fixed first and last frames of the latent video that a model fills in."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.images.scaling import scale_images
from sdk import NodeError

Encode = Callable[[Tensor], Tensor]
"""From frames [frame, height, width, 3] in 0..1 to latents [1, channel, latent frame, height, width]."""

_GREY = 0.5


@dataclass(frozen=True)
class LatentVideo:
    """The shape of a latent video for a video in pixels.

    Attributes:
        step: frames after the first one that share a latent frame.
        cell: pixels of a latent cell, along each side.
    """

    width: int
    height: int
    length: int
    channels: int
    step: int
    cell: int

    def empty(self, batch: int = 1) -> Tensor:
        """Zeros [batch, channel, latent frame, height, width]."""
        return torch.zeros(
            batch, self.channels, self.frames(self.length), self.height // self.cell, self.width // self.cell
        )

    def frames(self, length: int) -> int:
        """Latent frames for so many frames."""
        return (length - 1) // self.step + 1

    def fitted(self, images: Tensor) -> Tensor:
        """Pictures [frame, height, width, 3], no more than the video has frames, cut and scaled to its size."""
        return scale_images(images[: self.length, ..., :3], self.width, self.height, "bilinear", "center")


def encoded(encode: Encode, frames: Tensor) -> Tensor:
    """Frames as a latent video.

    Raises:
        NodeError: the autoencoder is one for single pictures.
    """
    latents = encode(frames)
    if latents.ndim != 5:
        raise NodeError("This VAE encodes single pictures. Load the VAE that belongs to the video model.")
    return latents


def encoded_with_margin(encode: Encode, images: Tensor, video: LatentVideo, *, block: int, margin: int) -> Tensor:
    """The latent frames of some pictures, encoded together with ``margin`` further grey blocks after them.

    The encoder looks ahead, so that the last latent frame would otherwise not be one of a video that goes on.

    Args:
        block: frames of one block; the first block is a single frame.

    Raises:
        NodeError: there are no pictures, or so many that they end within a block and no margin follows.
    """
    frames = video.fitted(images)
    blocks = (len(frames) - 1) // block + 1
    room = min(video.length, (blocks + margin) * block - (block - 1))
    if not 0 < len(frames) <= room:
        raise NodeError(
            f"{len(frames)} pictures can't begin or end a video for this model: at its end the encoder takes 1, or 1 "
            f"more than a multiple of {block}, and no more than the video has frames. Leave some out with "
            "ImageFromBatch."
        )
    padded = torch.full((room, *frames.shape[1:]), _GREY)
    padded[: len(frames)] = frames
    return encoded(encode, padded)[:, :, :blocks]


def with_fixed_frames(
    video: LatentVideo, first: Tensor | None, last: Tensor | None, batch: int, filling: Tensor | float = 0.0
) -> dict[str, Tensor]:
    """A LATENT whose first and last latent frames are given, and masked so that a sampler leaves them alone.

    Args:
        filling: of the frames in between, [channel, 1, 1, 1].
    """
    samples = video.empty()
    mask = torch.ones(1, 1, *samples.shape[2:])
    samples += filling
    for given, place in ((first, lambda n: slice(0, n)), (last, lambda n: slice(-n, None))):
        if given is not None:
            frames = place(given.shape[2])
            samples[:, :, frames] = given
            mask[:, :, frames] = 0.0
    return {"samples": samples.repeat(batch, 1, 1, 1, 1), "noise_mask": mask.repeat(batch, 1, 1, 1, 1)}


def per_channel(values: Sequence[float]) -> Tensor:
    """Numbers as [channel, 1, 1, 1]."""
    return torch.tensor(values).reshape(-1, 1, 1, 1)
