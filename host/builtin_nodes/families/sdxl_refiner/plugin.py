"""The family of checkpoints and UNets of Stable Diffusion XL's refiner, and its node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.checkpoint import VAE_PREFIX
from host.builtin_nodes.families.ldm_unet.part import denoiser_part
from host.builtin_nodes.families.sdxl_refiner.detection import FAMILY, detect
from host.builtin_nodes.families.sdxl_refiner.nodes import clip_text_encode_sdxl_refiner
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, hookimpl


class SdxlRefinerFamily:
    """Stable Diffusion XL's refiner, of any widths: whole checkpoints, and UNets alone."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a refiner's UNet."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sdxl_refiner.adapters import denoiser, text_encoder

        config = identity.config
        parts = [denoiser_part(header, config, denoiser(config))]
        for fields in config["text"]:
            text = ClipTextLayout(**fields)
            parts.append(clip_text_part(header, text, text_encoder(text)))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [SdxlRefinerFamily()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for the model's own kind of prompts."""
    return [clip_text_encode_sdxl_refiner]
