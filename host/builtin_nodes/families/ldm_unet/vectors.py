"""Vector conditioning of Stable Diffusion XL: the pooled prompt and some numbers (Podell et al. 2023, section 2.2)."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sdk import NodeError

NUMBER_CHANNELS = 256
"""Channels that each number takes in the vector."""

_LONGEST_PERIOD = 10_000.0


def vector_of(options: Mapping[str, Any], numbers: Sequence[float], pooled_channels: int) -> Tensor:
    """The vector [1 or batch, pooled_channels + 256 for each number], float32.

    Args:
        options: of a conditioning entry; its ``pooled_output`` is [1 or batch, pooled_channels].

    Raises:
        NodeError: there is no pooled output, or one of another width.
    """
    pooled = options.get("pooled_output")
    if pooled is None or pooled.shape[-1] != pooled_channels:
        found = "has no pooled vector" if pooled is None else f"has a pooled vector of {pooled.shape[-1]} channels"
        raise NodeError(
            f"A prompt {found}; this model wants one of {pooled_channels} channels. "
            "Encode the prompt with the text encoders that belong to the model."
        )
    embedded = embed_numbers(torch.tensor(numbers)).flatten().to(pooled.device)
    return torch.cat([pooled.float(), embedded.expand(len(pooled), -1)], dim=-1)


def embed_numbers(numbers: Tensor) -> Tensor:
    """Sinusoidal embeddings [count, 256], cosines first, as those of timesteps (Vaswani et al. 2017, section 3.5)."""
    half = NUMBER_CHANNELS // 2
    frequencies = torch.exp(-math.log(_LONGEST_PERIOD) * torch.arange(half) / half)
    angles = numbers.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
