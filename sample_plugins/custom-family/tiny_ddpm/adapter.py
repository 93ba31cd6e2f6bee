"""How the host's sampling code calls the network; see "Adapters" in the README."""

# ruff: noqa: TID253 - imported when a model is opened, never when the pack is loaded
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.nn import Module

from tiny_ddpm.levels import DdpmLevels


@dataclass(frozen=True)
class PixelFormat:
    """What is sampled are the pixels themselves, in -1..1."""

    channels: int
    scale: float = 1.0
    shift: float = 0.0
    downscale: int = 1
    rgb: None = None

    def to_model(self, latent: Tensor) -> Tensor:
        return latent

    def from_model(self, latent: Tensor) -> Tensor:
        return latent


@dataclass(frozen=True)
class TinyDdpmAdapter:
    """A plain object without weights; it gets the network while a node has it borrowed."""

    channels: int
    parametrisation: DdpmLevels = field(default_factory=DdpmLevels)

    @property
    def latent_format(self) -> PixelFormat:
        return PixelFormat(self.channels)

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """Nothing beside the image and the step."""
        return {}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        """The network's estimate of the noise in ``x`` [batch, channel, height, width]; ``context`` means nothing."""
        weight = next(module.parameters())
        estimate: Tensor = module(x.to(weight.device, weight.dtype), timestep.to(weight.device))
        return estimate
