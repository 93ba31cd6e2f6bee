"""How to call a T2I adapter."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.residuals import INPUT, MIDDLE, ControlResiduals
from host.builtin_nodes.controlnet.t2i_config import T2iConfig

_PIXELS_PER_CELL = 8
_BLOCKS, _XL_BLOCKS = (2, 5, 8, 11), (3, 5, 8)
"""Input blocks of the UNet after which each resolution is added; Stable Diffusion XL's last one is the middle block."""


@dataclass(frozen=True, eq=False)
class T2iAdapter:
    """See ``interface.ControlAdapter``: what it adds depends on nothing but the hint."""

    config: T2iConfig
    latent_format: None = None
    takes_mask: bool = False

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        """Whole cells of the first layer, so that a hint may reach beyond the latent."""
        step = self.config.unshuffle
        rows, columns = (-(-side * _PIXELS_PER_CELL // step) * step for side in (height, width))
        return rows, columns

    def picture(self, hint: Tensor) -> Tensor:
        return hint

    @torch.no_grad()
    def prepare(self, module: Module, hint: Tensor) -> ControlResiduals:
        """What the adapter adds."""
        weight = next(module.parameters())
        channels = self.config.input_channels
        seen = hint.mean(dim=1, keepdim=True) if channels == 1 else hint[:, :channels]
        features: list[Tensor] = module(seen.to(weight.device, weight.dtype))
        blocks = _XL_BLOCKS if self.config.xl else _BLOCKS
        added: list[Tensor | None] = [None] * (max(blocks) + 1)
        for block, feature in zip(blocks, features, strict=False):
            added[block] = feature
        return ControlResiduals({INPUT: added, MIDDLE: features[len(blocks) :]})

    def residuals(self, module: Module, prepared: ControlResiduals, call: ControlCall) -> ControlResiduals:
        return prepared
