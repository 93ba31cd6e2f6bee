"""What files with a UNet of latent diffusion have in common, whatever family they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, has_vae, vae_config
from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.builtin_nodes.families.ldm_unet.layout import INPUT_CHANNELS
from sdk.models import Header

VAE_PREFIX = "first_stage_model."
"""What precedes the autoencoder's names in whole checkpoints."""


@dataclass(frozen=True, kw_only=True)
class LdmCheckpoint:
    """What a file holds and where.

    Attributes:
        unet_prefix: what precedes the UNet's names; "" in files of a UNet alone.
        diffusers: the UNet has diffusers' names.
        prediction: ``eps``, ``v`` or ``edm``; or ``eps or v`` where only the weights can tell.
        zero_snr: the noise table is rescaled so that its last level has no signal.
        continuous: any noise level between two bounds, instead of a table of 1000.
        latent_scale: of the latents, against those of the autoencoder.
        text: the text encoders, in the order in which their states are joined.
        vae: None where there is none.
    """

    unet_prefix: str
    diffusers: bool
    unet: UnetConfig
    prediction: str
    latent_scale: float
    zero_snr: bool = False
    continuous: bool = False
    text: Sequence[ClipTextLayout] = ()
    vae: KlVaeConfig | None = None

    @property
    def kind(self) -> str:
        """``checkpoint``, or ``denoiser`` for a UNet alone."""
        return "checkpoint" if self.vae or self.text else "denoiser"

    @property
    def variant(self) -> str:
        """What the UNet is for: plain, inpainting …"""
        return INPUT_CHANNELS[self.unet.in_channels]

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, with what they mean to users beside them."""
        return {
            **vars(self),
            "unet": self.unet.as_json(),
            "vae": None if self.vae is None else self.vae.as_json(),
            "text": [layout.as_json() for layout in self.text],
            "latent_channels": self.unet.out_channels,
            "latent_shift": 0.0,
            "text_encoders": [layout.key for layout in self.text],
            "variant": self.variant,
        }


def checkpoint_vae(header: Header) -> KlVaeConfig | None:
    """The dimensions of the file's autoencoder, or None.

    Raises:
        LayoutError: there is one of another kind.
    """
    return vae_config(header, VAE_PREFIX) if has_vae(header, VAE_PREFIX) else None
