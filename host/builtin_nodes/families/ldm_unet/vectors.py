"""Vector conditioning of Stable Diffusion XL: the pooled prompt and some numbers (Podell et al. 2023, section 2.2)."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.unfit_prompts import UnfitPrompt, pooled_vector

NUMBER_CHANNELS = 256
"""Channels that each number takes in the vector."""

_LONGEST_PERIOD = 10_000.0


def vector_of(options: Mapping[str, Any], numbers: Sequence[float], pooled_channels: int) -> Tensor:
    """The vector [1 or batch, pooled_channels + 256 for each number], float32.

    Args:
        options: of a conditioning entry; its ``pooled_output`` is [1 or batch, pooled_channels].

    Raises:
        UnfitPrompt: there is no pooled output, or one of another width.
    """
    pooled = pooled_vector(options, pooled_channels)
    if pooled is None:
        raise UnfitPrompt("has no pooled vector", pooled_channels)
    embedded = embed_numbers(torch.tensor(numbers)).flatten().to(pooled.device)
    return torch.cat([pooled.float(), embedded.expand(len(pooled), -1)], dim=-1)


def embed_numbers(numbers: Tensor) -> Tensor:
    """Sinusoidal embeddings [count, 256], cosines first, as those of timesteps (Vaswani et al. 2017, section 3.5)."""
    half = NUMBER_CHANNELS // 2
    frequencies = torch.exp(-math.log(_LONGEST_PERIOD) * torch.arange(half) / half)
    angles = numbers.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
