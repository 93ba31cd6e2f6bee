"""One step of noise prediction on the shipped schedule, shared by everything that trains beside a frozen model."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tools.tiny_model.train_diffusion import SNR_CAP, alphas_cumprod

Predict = Callable[[Tensor, Tensor], Tensor]
"""Noise predicted from noisy latents [B, 4, h, w] and step numbers [B]."""


def as_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures as [B, 3, h, w] in -1..1."""
    pixels = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def loss_of(predict: Predict, latents: Tensor, generator: torch.Generator) -> Tensor:
    """Noise-prediction loss with min-SNR-5 weights (Hang et al. 2023)."""
    schedule = alphas_cumprod()
    noise = torch.randn(latents.shape, generator=generator)
    steps = torch.randint(1000, (len(latents),), generator=generator)
    alpha = schedule[steps][:, None, None, None]
    predicted = predict(alpha.sqrt() * latents + (1 - alpha).sqrt() * noise, steps)
    ratio = schedule[steps] / (1 - schedule[steps])
    weight = ratio.clamp(max=SNR_CAP) / ratio
    return (weight * functional.mse_loss(predicted, noise, reduction="none").mean((1, 2, 3))).mean()


def seeded(name: str, seed: int, step: int) -> tuple[random.Random, torch.Generator]:
    """The two sources of chance of one step, a pure function of the seed and the step."""
    return random.Random(f"{name}-{seed}-{step}"), torch.Generator().manual_seed(seed * 1_000_003 + step)
