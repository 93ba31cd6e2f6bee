"""Calls a UNet of latent diffusion."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.families.ldm_unet.patched import patched
from host.builtin_nodes.sampling.rules import PatchedCall


class ControlResiduals(NamedTuple):
    """What control networks add to a UNet, strengths applied.

    Attributes:
        down: one tensor for each skip connection, from the input on; None to add nothing there.
        middle: for the middle block's output, or None.
    """

    down: Sequence[Tensor] | None
    middle: Tensor | None


def run_unet(
    module: Module,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    concat: Tensor | None = None,
    vector: Tensor | None = None,
    control: ControlResiduals | None = None,
    patches: PatchedCall | None = None,
) -> Tensor:
    """The UNet's output [batch, out channels, height, width], in the module's dtype on its device.

    Args:
        concat: further input channels [batch, channel, height, width].
        vector: vector conditioning [batch, width].
        patches: replacements of its self-attention.
    """
    weight = next(module.parameters())

    def move(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(weight.device, weight.dtype)

    sample: Any = move(x if concat is None else torch.cat([x, concat.to(x)], dim=1))
    control = control or ControlResiduals(None, None)
    with patched(module, patches):
        output: tuple[Tensor, ...] = module(
            sample,
            timestep.to(weight.device, torch.float32),
            encoder_hidden_states=move(context),
            class_labels=move(vector),
            down_block_additional_residuals=control.down and tuple(map(move, control.down)),
            mid_block_additional_residual=move(control.middle),
            return_dict=False,
        )
    return output[0]
