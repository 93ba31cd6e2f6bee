"""The family of Stable Diffusion 2.1 unCLIP checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout
from host.builtin_nodes.families.clip_vision.part import clip_vision_part
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.checkpoint import VAE_PREFIX
from host.builtin_nodes.families.ldm_unet.part import denoiser_part
from host.builtin_nodes.families.sd2_unclip.detection import FAMILY, detect
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class Sd2UnclipFamily:
    """Stable Diffusion 2.1 unCLIP (L and H), of any widths: whole checkpoints with their image encoder."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds an unCLIP model."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser`` and ``clip_vision``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sd2.adapters import text_encoder
        from host.builtin_nodes.families.sd2_unclip.adapters import denoiser

        config = identity.config
        parts = [
            denoiser_part(header, config, denoiser(header, config)),
            clip_vision_part(header, ClipVisionLayout(**config["vision"])),
        ]
        for fields in config["text"]:
            text = ClipTextLayout(**fields)
            parts.append(clip_text_part(header, text, text_encoder(text)))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [Sd2UnclipFamily()]
