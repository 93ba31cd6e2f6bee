"""A small UNet of latent diffusion, and one evaluation of it."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from host.builtin_nodes.controlnet.residuals import ControlResiduals
from host.builtin_nodes.families.ldm_unet.denoiser import run_unet
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall, PatchedCall

WIDTH = 8
CONTEXT = torch.linspace(-1, 1, 2 * 5 * 6).reshape(2, 5, 6)


def small_unet(**options: Any) -> UNet2DConditionModel:
    """Widths of 1, 2, 4 and 4 times ``WIDTH``, as Stable Diffusion has; attention everywhere but at the bottom."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            block_out_channels=(WIDTH, 2 * WIDTH, 4 * WIDTH, 4 * WIDTH),
            layers_per_block=2,
            attention_head_dim=2,
            cross_attention_dim=6,
            norm_num_groups=4,
            **options,
        )
    return unet.eval().requires_grad_(False)


def sample(height: int = 16, width: int = 16) -> Tensor:
    return torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(1))


def evaluate(
    unet: UNet2DConditionModel,
    patches: NetworkPatches | None = None,
    *,
    x: Tensor | None = None,
    sigma: float = 1.0,
    control: ControlResiduals | None = None,
    vector: Tensor | None = None,
) -> Tensor:
    x = sample() if x is None else x
    call = PatchCall(sigma=sigma, shape=tuple(x.shape), sides=("negative", "positive"))
    given = None if patches is None else PatchedCall(patches=patches, call=call)
    timestep = torch.tensor([300.0, 300.0])
    return run_unet(unet, x, timestep, CONTEXT, patches=given, control=control, vector=vector)
