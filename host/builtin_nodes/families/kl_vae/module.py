"""Builds diffusers' autoencoder for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from diffusers import AutoencoderKL

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig


def build_vae(config: KlVaeConfig) -> AutoencoderKL:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    levels = len(config.channels)
    vae = AutoencoderKL(
        latent_channels=config.latent_channels,
        block_out_channels=tuple(config.channels),
        layers_per_block=config.layers,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        use_quant_conv=config.quantised,
        use_post_quant_conv=config.quantised,
    )
    return vae.eval().requires_grad_(False)
