"""How to call a control network of latent diffusion."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.errors import NoSuchControlType
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.lent_layers import lent_by
from host.builtin_nodes.controlnet.network_config import ControlNetConfig
from host.builtin_nodes.controlnet.residuals import MIDDLE, SKIP, ControlResiduals
from host.builtin_nodes.controlnet.union import union_residuals

CONTROL_TYPE = "control_type"
"""Option of a handle: the numbers of the kinds of hints, for a network that tells several apart."""

_PIXELS_PER_CELL = 8


@dataclass(frozen=True, eq=False)
class ControlNetAdapter:
    """See ``interface.ControlAdapter``."""

    config: ControlNetConfig
    latent_format: None = None
    takes_mask: bool = False

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        return height * _PIXELS_PER_CELL, width * _PIXELS_PER_CELL

    def picture(self, hint: Tensor) -> Tensor:
        return hint

    def prepare(self, module: Module, hint: Tensor) -> Tensor:
        """The hint in the module's dtype on its device."""
        weight = next(module.parameters())
        return hint[:, : self.config.hint_channels].to(weight.device, weight.dtype)

    @torch.no_grad()
    def residuals(self, module: Module, prepared: Tensor, call: ControlCall) -> ControlResiduals:
        """Raises UnsupportedControl for a denoiser of other dimensions."""
        config, vector = self.config, self.config.vector_channels
        call.require(config.in_channels, config.context_channels, vector)
        with lent_by(module, call.model) if config.lent else nullcontext():
            down, middle = self._evaluate(module, prepared, call)
        if self.config.pooled:
            down, middle = [_averaged(tensor) for tensor in down], _averaged(middle)
        return ControlResiduals({SKIP: list(down), MIDDLE: [middle]})

    def _evaluate(self, module: Any, hint: Tensor, call: ControlCall) -> tuple[Sequence[Tensor], Tensor]:
        weight = next(module.parameters())
        vector = call.inputs.get("vector")
        sample, context = (tensor.to(weight.device, weight.dtype) for tensor in (call.x, call.context))
        labels = None if vector is None else vector.to(weight.device, weight.dtype)
        timestep = call.timestep.to(weight.device, torch.float32)
        if self.config.control_types is not None:
            kinds = kinds_of_hints(call, self.config.control_types)
            return union_residuals(module, sample, timestep, context, hint=hint, labels=labels, kinds=kinds)
        found: tuple[Sequence[Tensor], Tensor] = module(
            sample, timestep, context, hint, class_labels=labels, return_dict=False
        )
        return found


def kinds_of_hints(call: ControlCall, known: int) -> list[int]:
    """The numbers of the kinds of hints that a network is told; empty where it is to find out by itself.

    Raises:
        NoSuchControlType: the network knows fewer.
    """
    kinds = list(call.options.get(CONTROL_TYPE, ()))
    for number in kinds:
        if number >= known:
            raise NoSuchControlType(number, known)
    return kinds


def _averaged(tensor: Tensor) -> Tensor:
    """The same number everywhere: the mean over height and width."""
    return tensor.mean(dim=(2, 3), keepdim=True).expand_as(tensor)
