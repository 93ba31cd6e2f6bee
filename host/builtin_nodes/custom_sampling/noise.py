"""What flows along NOISE links: start noise for a latent.

Such an object has a ``seed``, which per-step noise is drawn from as well, and ``generate_noise(latent)``.
"""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from host.builtin_nodes.sampling.noise import generator, start_noise


class StartNoise(Protocol):
    """Noise in the shape of a latent, on the CPU."""

    @property
    def seed(self) -> int: ...

    def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
        """float32 in the shape of ``latent["samples"]``; ``latent["batch_index"]`` chooses elements of a batch."""


@dataclass(frozen=True)
class SeededNoise:
    """Unit noise from a seed."""

    seed: int

    def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
        return start_noise(latent["samples"].shape, generator(self.seed), latent.get("batch_index"))


@dataclass(frozen=True)
class NoNoise:
    """Zeros; the seed is for samplers that draw noise of their own."""

    seed: int = 0

    def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
        return torch.zeros(latent["samples"].shape)
