"""How to call what is inside a Stable Diffusion 2.x file."""

from __future__ import annotations

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.families.rgb_factors import SD1
from host.builtin_nodes.families.sd2.detection import LATENT_SCALE
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from host.builtin_nodes.text.clip_tokens import CLIP_H

LATENT_FORMAT = LatentFormat(channels=4, scale=LATENT_SCALE, rgb=SD1)


def denoiser(in_channels: int, prediction: str, *, zero_snr: bool) -> UnetDenoiser:
    """The adapter for a UNet that predicts ``eps`` or ``v``."""
    kind = Velocity() if prediction == "v" else Epsilon()
    return UnetDenoiser(in_channels, discrete(kind, zero_snr=zero_snr), LATENT_FORMAT)


def text_encoder(layout: ClipTextLayout) -> ClipTextAdapter:
    """The adapter for OpenCLIP-H: states of the second layer from the end, through the final norm."""
    return ClipTextAdapter(CLIP_H, layout.positions, stop=-2, left_out=layout.left_out)
