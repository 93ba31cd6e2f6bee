"""Pictures as an unCLIP model's vector conditioning: noised by a chosen amount, which is told to the model."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from host.builtin_nodes.families.interface import RUN_SEED
from sdk import NodeError

PICTURES = "unclip_conditioning"
"""Option of a conditioning entry: the pictures, each a mapping with ``clip_vision_output``, ``strength`` and
``noise_augmentation``."""

_LEVELS = 1000
_MERGED = 0.05
"""Noise augmentation of a mixture of several pictures."""

_SEED_OFFSET = -10
"""Keeps this noise apart from that of the latent."""


@dataclass(frozen=True, eq=False)
class PictureVector:
    """Gives the vector [1, 2 x width]: the noised summary of a picture, and an embedding of the noise level.

    Without pictures it is zero.

    Attributes:
        mean, deviation: of the summaries that the model was trained with, [1, width].
    """

    mean: Tensor
    deviation: Tensor

    def __call__(self, options: Mapping[str, Any], latent: Tensor) -> dict[str, Tensor]:
        pictures = options.get(PICTURES) or ()
        seed = int(options.get(RUN_SEED, 0)) + _SEED_OFFSET
        vectors = [vector for picture in pictures for vector in self._of(picture, seed)]
        if not vectors:
            return {"vector": torch.zeros(1, 2 * self.mean.shape[-1])}
        if len(vectors) == 1:
            return {"vector": vectors[0]}
        mixture = torch.stack(vectors).sum(0)[:, : self.mean.shape[-1]]
        return {"vector": self._noised(mixture, _MERGED, seed)}

    def _of(self, picture: Mapping[str, Any], seed: int) -> Sequence[Tensor]:
        """The weighted vector of each image that was encoded together."""
        summaries = picture["clip_vision_output"].image_embeds
        if summaries.ndim != 2 or summaries.shape[-1] != self.mean.shape[-1]:
            raise NodeError(
                f"This model wants an image encoder's summary of {self.mean.shape[-1]} channels, this one has "
                f"{summaries.shape[-1]}. Encode the picture with the image encoder of the model's own checkpoint."
            )
        strength, amount = picture["strength"], picture["noise_augmentation"]
        return [self._noised(summary[None], amount, seed) * strength for summary in summaries]

    def _noised(self, summary: Tensor, amount: float, seed: int) -> Tensor:
        level = round((_LEVELS - 1) * amount)
        kept = self._kept[level]
        clean = (summary.float() - self.mean) / self.deviation
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
        noisy = (kept.sqrt() * clean + (1 - kept).sqrt() * noise).float() * self.deviation + self.mean
        told = get_timestep_embedding(
            torch.tensor([level]), self.mean.shape[-1], flip_sin_to_cos=True, downscale_freq_shift=0
        )
        return torch.cat([noisy, told], dim=1)

    @cached_property
    def _kept(self) -> Tensor:
        """Share of the signal's variance at each level: a cosine schedule (Nichol & Dhariwal 2021, eq. 17), float64."""
        times = torch.arange(_LEVELS + 1, dtype=torch.float64) / _LEVELS
        signal = torch.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
        steps = (1 - signal[1:] / signal[:-1]).clamp(max=0.999)
        return (1 - steps).cumprod(0)
