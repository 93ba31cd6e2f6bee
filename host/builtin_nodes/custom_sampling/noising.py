"""Noise added to a latent without a run."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.custom_sampling.noise import StartNoise
from host.builtin_nodes.custom_sampling.sigmas import added_noise_level
from host.builtin_nodes.families.sampled_model import latent_format_of, parametrisation_of
from sdk import ModelHandle


def noised(model: ModelHandle, noise: StartNoise, sigmas: Tensor, latent: Mapping[str, Any]) -> dict[str, Any]:
    """The latent with the noise between the first and the last of ``sigmas``; unchanged where there are none.

    Numbers that overflow become 0.
    """
    if len(sigmas) == 0:
        return dict(latent)
    scaling, samples = latent_format_of(model), latent["samples"].float()
    # An empty latent is empty in every space.
    start = scaling.to_model(samples) if torch.count_nonzero(samples) else samples
    unit = noise.generate_noise(latent).to(start)
    found = parametrisation_of(model).noise_scaling(added_noise_level(sigmas).to(start), unit, start)
    return {**latent, "samples": torch.nan_to_num(scaling.from_model(found), nan=0.0, posinf=0.0, neginf=0.0)}
