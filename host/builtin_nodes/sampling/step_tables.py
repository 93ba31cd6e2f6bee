"""Schedules that were optimised for one kind of model and published as a short list of levels.

Other numbers of steps than a list's own are interpolated evenly in log-sigma. All give falling float32 levels on the
CPU that end with 0: [steps + 1], or the last part of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from host.builtin_nodes.sampling.noise_levels import scaled_linear_sigmas

_TIMESTEPS: Mapping[str, tuple[int, ...]] = {
    "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
    "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
}
_VIDEO_LEVELS = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)

_OPTIMAL_STEPS: Mapping[str, tuple[float, ...]] = {
    "FLUX": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
    "Wan": (1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902,
            0.864, 0.776, 0.539, 0.208, 0.001),
    "Chroma": (0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881,
               0.858, 0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27,
               0.232, 0.199, 0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001),
}  # fmt: skip


def align_your_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels for ``SD1``, ``SDXL`` or ``SVD`` (Sabour et al. 2024, "Align Your Steps", table 5)."""
    if model_type == "SVD":
        levels: Sequence[float] = _VIDEO_LEVELS
    else:
        levels = scaled_linear_sigmas()[list(_TIMESTEPS[model_type])].tolist()
    return last_share(resampled(levels, steps), denoise)


def optimal_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels for ``FLUX``, ``Wan`` or ``Chroma`` (Pei et al. 2025, "Optimal Stepsize for Diffusion Sampling")."""
    return last_share(resampled(_OPTIMAL_STEPS[model_type], steps), denoise)


def resampled(levels: Sequence[float], steps: int) -> Tensor:
    """``steps + 1`` levels evenly along a list of levels, float64; between its entries even in log-sigma."""
    logs = torch.tensor(levels, dtype=torch.float64).log()
    place = torch.linspace(0, len(levels) - 1, steps + 1, dtype=torch.float64)
    left = place.floor().long().clamp(max=len(levels) - 2)
    return logs[left].lerp(logs[left + 1], place - left).exp()


def last_share(levels: Tensor, denoise: float) -> Tensor:
    """The last share ``denoise`` (0..1) of the steps, rounded to whole steps, ending with 0; float32.

    Empty for a share of 0.
    """
    if denoise <= 0:
        return levels.new_empty(0, dtype=torch.float32)
    steps = len(levels) - 1
    kept = steps if denoise >= 1 else round(steps * denoise)
    sigmas = levels[-(kept + 1) :].to(torch.float32, copy=True)
    sigmas[-1] = 0
    return sigmas
