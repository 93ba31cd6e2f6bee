"""Calls a UNet of latent diffusion."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.residuals import INPUT, MIDDLE, SKIP, ControlResiduals
from host.builtin_nodes.families.ldm_unet.patched import patched
from host.builtin_nodes.gligen.live import LiveGrounding, grounded
from host.builtin_nodes.sampling.rules import PatchedCall


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
    boxes: LiveGrounding | None = None,
) -> Tensor:
    """The UNet's output [batch, out channels, height, width], in the module's dtype on its device.

    Args:
        concat: further input channels [batch, channel, height, width].
        vector: vector conditioning [batch, width].
        control: what control networks add.
        patches: changes of what happens inside of it.
        boxes: what belongs where in the image, with the layers that look at that.

    Raises:
        UnsupportedControl: a control network is made for another kind of network.
        UnsupportedPatches: the patches are.
    """
    weight = next(module.parameters())

    def move(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(weight.device, weight.dtype)

    sample: Any = move(x if concat is None else torch.cat([x, concat.to(x)], dim=1))
    if weight.device.type == "cpu":  # there convolutions and what lies between them are faster in this order
        sample = sample.contiguous(memory_format=torch.channels_last)
    added = _moved(control, move)
    with patched(module, patches, inside=added.of(INPUT)), grounded(module, boxes, sample):
        output: tuple[Tensor, ...] = module(
            sample,
            timestep.to(weight.device, torch.float32),
            encoder_hidden_states=move(context),
            class_labels=move(vector),
            down_block_additional_residuals=tuple(added.of(SKIP)) or None,
            mid_block_additional_residual=next(iter(added.of(MIDDLE)), None),
            return_dict=False,
        )
    return output[0]


def _moved(control: ControlResiduals | None, move: Callable[[Tensor | None], Tensor | None]) -> ControlResiduals:
    if control is None:
        return ControlResiduals({})
    control.require("a UNet of latent diffusion", frozenset({INPUT, MIDDLE, SKIP}))
    return ControlResiduals({kind: [move(tensor) for tensor in tensors] for kind, tensors in control.groups.items()})
