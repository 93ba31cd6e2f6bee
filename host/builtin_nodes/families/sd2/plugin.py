"""The family of Stable Diffusion 2.x checkpoints and UNets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.ldm_unet.checkpoint import VAE_PREFIX
from host.builtin_nodes.families.ldm_unet.part import denoiser_part
from host.builtin_nodes.families.sd2.detection import FAMILY, UNDECIDED, detect
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class Sd2Family:
    """Stable Diffusion 2.x, of any widths: whole checkpoints, and UNets alone in the original layout or diffusers'.

    Models that predict noise and models that predict velocity have the same header; where nothing states which it
    is, one small tensor is read when the file is opened.
    """

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Stable Diffusion 2.x UNet."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sd2.adapters import denoiser, text_encoder

        config = identity.config
        channels, prediction = config["unet"]["in_channels"], _prediction(header, config)
        parts = [denoiser_part(header, config, denoiser(channels, prediction, zero_snr=config["zero_snr"]))]
        for fields in config["text"]:
            text = ClipTextLayout(**fields)
            parts.append(clip_text_part(header, text, text_encoder(text)))
        if config["vae"]:
            parts.append(vae_part(header, VAE_PREFIX, KlVaeConfig(**config["vae"])))
        return parts


def _prediction(header: Header, config: Mapping[str, Any]) -> str:
    prediction: str = config["prediction"]
    if prediction != UNDECIDED:
        return prediction
    from host.builtin_nodes.families.sd2.prediction import weights_prediction

    return weights_prediction(header, config["unet_prefix"], diffusers=config["diffusers"])


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [Sd2Family()]
