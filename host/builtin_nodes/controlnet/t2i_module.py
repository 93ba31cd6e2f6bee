"""Builds diffusers' T2I adapters for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from typing import Any

from diffusers.models.adapter import FullAdapter, FullAdapterXL, LightAdapter
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import avg_pool2d

from host.builtin_nodes.controlnet.t2i_config import T2iConfig


class PaddedPool(Module):
    """Means of 2 x 2 cells; odd sides get a row of zeros at either end, as the original has it."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channel, height, width] at half the resolution, rounded up."""
        return avg_pool2d(x, 2, padding=(x.shape[2] % 2, x.shape[3] % 2))


def build_t2i_adapter(config: T2iConfig) -> Any:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    channels = list(config.channels)
    options: dict[str, Any] = {
        "in_channels": config.input_channels,
        "num_res_blocks": config.layers,
        "downscale_factor": config.unshuffle,
    }
    module: Any
    if config.light:
        module = LightAdapter(channels=channels[:-1], **options)
    else:
        module = (FullAdapterXL if config.xl else FullAdapter)(channels=channels, **options)
    for block in module.body:
        if block.downsample is not None:
            block.downsample = PaddedPool()
    return module.eval().requires_grad_(False)
