"""How to call what is inside a Stable Diffusion XL file."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from host.builtin_nodes.families.channel_format import PLAYGROUND_25
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.families.ldm_unet.vectors import vector_of
from host.builtin_nodes.families.rgb_factors import SDXL
from host.builtin_nodes.families.sdxl.detection import LATENT_SCALE, SIGMA_MARKS, SIZE_CHANNELS
from host.builtin_nodes.families.small_tensors import small_tensor
from host.builtin_nodes.sampling.parametrisation import Parametrisation, continuous_edm, discrete
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from sdk.models import Header

LATENT_FORMAT = LatentFormat(channels=4, scale=LATENT_SCALE, rgb=SDXL)
_COSXL_LEVELS = (0.002, 120.0)
_PLAYGROUND_LEVELS = (0.002, 80.0)


@dataclass(frozen=True)
class SizeVector:
    """Gives the conditioning vector: the pooled prompt, and the sizes of the image as it was, its crop and the target.

    What an entry leaves out is taken from the latent: the image as it was and the target are as large, nothing is
    cropped.
    """

    pooled_channels: int

    def __call__(self, options: Mapping[str, Any], latent: Tensor) -> dict[str, Tensor]:
        height, width = (cells * LATENT_FORMAT.downscale for cells in latent.shape[-2:])
        height, width = options.get("height", height), options.get("width", width)
        crop = options.get("crop_h", 0), options.get("crop_w", 0)
        target = options.get("target_height", height), options.get("target_width", width)
        return {"vector": vector_of(options, [height, width, *crop, *target], self.pooled_channels)}


def denoiser(header: Header, config: Mapping[str, Any]) -> UnetDenoiser:
    """The adapter for the UNet of a file with this identity."""
    unet = config["unet"]
    playground = config["prediction"] == "edm"
    return UnetDenoiser(
        unet["in_channels"],
        _parametrisation(header, config),
        PLAYGROUND_25 if playground else LATENT_FORMAT,
        # Only CosXL's editing model was trained on a scaled image.
        scaled_edit=config["continuous"] and not playground,
        vector=SizeVector(unet["vector_channels"] - SIZE_CHANNELS),
    )


def _parametrisation(header: Header, config: Mapping[str, Any]) -> Parametrisation:
    prediction = Velocity() if config["prediction"] == "v" else Epsilon()
    if not config["continuous"]:
        return discrete(prediction, zero_snr=config["zero_snr"])
    if config["prediction"] == "edm":
        return continuous_edm(*_PLAYGROUND_LEVELS)
    found = [small_tensor(header, mark) for mark in SIGMA_MARKS]
    low, high = (
        default if level is None or level.numel() != 1 else float(level)
        for level, default in zip(found, _COSXL_LEVELS, strict=True)
    )
    return continuous_edm(low, high, prediction)
