"""A UNet of latent diffusion as a part that the model manager can load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.builtin_nodes.families.ldm_unet.layout import unet_names
from host.builtin_nodes.families.ldm_unet.original import original_paths
from host.builtin_nodes.lora.names import unet_names as unet_patch_names
from sdk.models import Header, Part, TensorSource


def denoiser_part(header: Header, config: Mapping[str, Any], adapter: Any) -> Part:
    """The part ``denoiser``, for an identity's ``config`` with ``unet``, ``unet_prefix`` and ``diffusers``."""
    unet, prefix = UnetConfig(**config["unet"]), config["unet_prefix"]
    names = unet_names(header, prefix, diffusers=config["diffusers"])

    def build() -> object:
        from host.builtin_nodes.families.ldm_unet.module import build_unet

        return build_unet(unet)

    return Part(
        name="denoiser",
        build=build,
        weights={name: TensorSource(key) for name, key in names.items()},
        adapter=adapter,
        patch_names=lambda: unet_patch_names(_originals(names, config, unet), prefix),
    )


def _originals(names: Mapping[str, str], config: Mapping[str, Any], unet: UnetConfig) -> Mapping[str, str]:
    """Original names of the weights, also where the file has diffusers'."""
    layers = [len(depths) for depths in unet.down_depths]
    return {**names, **original_paths(names, layers)} if config["diffusers"] else names
