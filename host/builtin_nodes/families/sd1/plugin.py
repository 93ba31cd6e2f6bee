"""The family of Stable Diffusion 1.x checkpoints and UNets."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.checkpoint import VAE_PREFIX
from host.builtin_nodes.families.ldm_unet.part import denoiser_part
from host.builtin_nodes.families.sd1.detection import FAMILY, detect
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class Sd1Family:
    """Stable Diffusion 1.x, of any widths: whole checkpoints, and UNets alone in the original layout or diffusers'."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Stable Diffusion 1.x UNet."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sd1.adapters import denoiser, text_encoder

        config = identity.config
        channels = config["unet"]["in_channels"]
        adapter = denoiser(channels, config["prediction"], zero_snr=config["zero_snr"])
        parts = [denoiser_part(header, config, adapter)]
        for fields in config["text"]:
            text = ClipTextLayout(**fields)
            parts.append(clip_text_part(header, text, text_encoder(text)))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [Sd1Family()]
