"""How to call what is inside a file of Stable Diffusion XL's refiner."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.families.ldm_unet.vectors import vector_of
from host.builtin_nodes.families.rgb_factors import SDXL
from host.builtin_nodes.families.sdxl_refiner.detection import LATENT_SCALE, NUMBER_CHANNELS
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from host.builtin_nodes.text.clip_tokens import CLIP_G

LATENT_FORMAT = LatentFormat(channels=4, scale=LATENT_SCALE, rgb=SDXL)
_SCORE, _NEGATIVE_SCORE = 6.0, 2.5


@dataclass(frozen=True)
class ScoreVector:
    """Gives the conditioning vector: the pooled prompt, the image's size and crop, and its aesthetic score.

    What an entry leaves out is taken from the latent; the score is 6 for a positive prompt and 2.5 for a negative one.
    """

    pooled_channels: int

    def __call__(self, options: Mapping[str, Any], latent: Tensor) -> dict[str, Tensor]:
        height, width = (cells * LATENT_FORMAT.downscale for cells in latent.shape[-2:])
        height, width = options.get("height", height), options.get("width", width)
        numbers = [height, width, options.get("crop_h", 0), options.get("crop_w", 0)]
        score = options.get("aesthetic_score")
        if score is not None:
            return {"vector": vector_of(options, [*numbers, score], self.pooled_channels)}
        return {
            "vector": vector_of(options, [*numbers, _SCORE], self.pooled_channels),
            "negative vector": vector_of(options, [*numbers, _NEGATIVE_SCORE], self.pooled_channels),
        }


def denoiser(config: Mapping[str, Any]) -> UnetDenoiser:
    """The adapter for the UNet of a file with this identity."""
    unet = config["unet"]
    kind = Velocity() if config["prediction"] == "v" else Epsilon()
    return UnetDenoiser(
        unet["in_channels"],
        discrete(kind, zero_snr=config["zero_snr"]),
        LATENT_FORMAT,
        vector=ScoreVector(unet["vector_channels"] - NUMBER_CHANNELS),
    )


def text_encoder(layout: ClipTextLayout) -> ClipTextAdapter:
    """The adapter for OpenCLIP-G: states of the second layer from the end, without final norm."""
    return ClipTextAdapter(CLIP_G, layout.positions, stop=-2, final_norm=False)
