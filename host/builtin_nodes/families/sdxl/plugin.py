"""The family of Stable Diffusion XL checkpoints and UNets, and its node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_pair_part
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.checkpoint import VAE_PREFIX
from host.builtin_nodes.families.ldm_unet.part import denoiser_part
from host.builtin_nodes.families.sdxl.detection import FAMILY, detect
from host.builtin_nodes.families.sdxl.nodes import clip_text_encode_sdxl
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, hookimpl


class SdxlFamily:
    """Stable Diffusion XL, of any widths, with its kin: v prediction, CosXL, Playground v2.5, inpainting, editing.

    Whole checkpoints, and UNets alone in the original layout or diffusers'.
    """

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds the UNet of Stable Diffusion XL's base model."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sdxl.adapters import denoiser
        from host.builtin_nodes.families.sdxl.text import text_encoders

        config = identity.config
        parts = [denoiser_part(header, config, denoiser(header, config))]
        if text := [ClipTextLayout(**fields) for fields in config["text"]]:
            adapter = text_encoders({layout.key: layout.positions for layout in text})
            parts.append(clip_pair_part(header, text, adapter))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [SdxlFamily()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for the model's own kind of prompts."""
    return [clip_text_encode_sdxl]
