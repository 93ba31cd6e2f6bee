"""How to call an unCLIP model's UNet."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.families.sd2.adapters import LATENT_FORMAT
from host.builtin_nodes.families.sd2.detection import UNDECIDED
from host.builtin_nodes.families.sd2.prediction import weights_prediction
from host.builtin_nodes.families.sd2_unclip.augmentation import PictureVector
from host.builtin_nodes.families.sd2_unclip.detection import DEVIATION, MEAN
from host.builtin_nodes.families.small_tensors import small_tensor
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from sdk.models import Header


def denoiser(header: Header, config: Mapping[str, Any]) -> UnetDenoiser:
    """The adapter for the UNet of a file with this identity; reads the file's few numbers about pictures."""
    prediction = config["prediction"]
    if prediction == UNDECIDED:
        prediction = weights_prediction(header, config["unet_prefix"], diffusers=config["diffusers"])
    kind = Velocity() if prediction == "v" else Epsilon()
    width = config["unet"]["vector_channels"] // 2
    mean, deviation = small_tensor(header, MEAN), small_tensor(header, DEVIATION)
    vector = PictureVector(
        torch.zeros(1, width) if mean is None else mean.reshape(1, width),
        torch.ones(1, width) if deviation is None else deviation.reshape(1, width),
    )
    return UnetDenoiser(config["unet"]["in_channels"], discrete(kind), LATENT_FORMAT, vector=vector)
