"""The family of Stable Diffusion 1.x checkpoints and UNets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from host.builtin_nodes.families.clip_text.part import clip_l_part
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.sd1.detection import (
    INPUT_CHANNELS,
    VAE_PREFIX,
    Sd1Layout,
    read_layout,
    unet_names,
)
from host.builtin_nodes.lora.names import unet_names as unet_patch_names
from sdk import Header, Identity, ModelFamily, Part, Refusal, TensorSource, hookimpl


class Sd1Family:
    """Stable Diffusion 1.x, of any widths: whole checkpoints, and UNets alone in the original layout or diffusers'."""

    name = "sd1"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Stable Diffusion 1.x UNet."""
        try:
            layout = read_layout(header)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="checkpoint" if layout.vae or layout.text_prefix else "denoiser",
            config=_config(layout),
            because=(
                f"its UNet takes {layout.unet.in_channels} channels ({INPUT_CHANNELS[layout.unet.in_channels]}) and a "
                f"context of {layout.unet.context_channels}, has convolutions around its transformers and no "
                "conditioning vector"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        config = identity.config
        parts = [_denoiser_part(header, config)]
        if config["text_prefix"]:
            parts.append(clip_l_part(header, config["text_prefix"], config["text_heads"]))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


def _config(layout: Sd1Layout) -> dict[str, Any]:
    """The layout as JSON values, with what the parts mean to users beside it."""
    return {
        **asdict(layout),
        "latent_channels": layout.unet.out_channels,
        "text_encoders": ["clip_l"] if layout.text_prefix else [],
        "variant": INPUT_CHANNELS[layout.unet.in_channels],
    }


def _denoiser_part(header: Header, config: Any) -> Part:
    from host.builtin_nodes.families.sd1.denoiser import sd1_denoiser

    unet, prefix = UnetConfig(**config["unet"]), config["unet_prefix"]
    names = unet_names(header, prefix, diffusers=config["diffusers"])
    weights = {name: TensorSource(key) for name, key in names.items()}

    def build() -> object:
        from host.builtin_nodes.families.ldm_unet.module import build_unet

        return build_unet(unet)

    return Part(
        name="denoiser",
        build=build,
        weights=weights,
        adapter=sd1_denoiser(unet.in_channels, config["prediction"], zero_snr=config["zero_snr"]),
        patch_names=lambda: unet_patch_names(names, prefix),
    )


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [Sd1Family()]
