"""FreeU: stronger backbone features and weaker low frequencies of the skip connections (Si et al. 2023)."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.patches import PatchCall

_LOW_FREQUENCIES = 1
"""How far from the centre of the spectrum low frequencies reach (the paper's r_thresh)."""


@dataclass(frozen=True)
class FreeU:
    """What goes into the output blocks of the two lowest resolutions (sections 3.2, eq. 3 to 7).

    ``backbone`` and ``skip`` are factors for hidden states of 4 and of 2 times the network's width. ``by_structure``
    lets the backbone's factor follow the mean of its channels, as the paper's second version does.
    """

    backbone: tuple[float, float]
    skip: tuple[float, float]
    by_structure: bool = False

    def __call__(self, hidden: Tensor, skip: Tensor, call: PatchCall) -> tuple[Tensor, Tensor]:
        widths = (4 * call.model_channels, 2 * call.model_channels)
        if hidden.shape[1] not in widths:
            return hidden, skip
        level = widths.index(hidden.shape[1])
        half = hidden.shape[1] // 2
        factor: float | Tensor = self.backbone[level]
        if self.by_structure:
            factor = (self.backbone[level] - 1) * _structure(hidden) + 1
        hidden = torch.cat([hidden[:, :half] * factor, hidden[:, half:]], dim=1)
        return hidden, scale_low_frequencies(skip, self.skip[level])


def _structure(hidden: Tensor) -> Tensor:
    """The mean of the channels [batch, 1, height, width], brought to 0..1 in each sample."""
    mean = hidden.mean(1, keepdim=True)
    lowest, highest = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    return (mean - lowest) / (highest - lowest)


def scale_low_frequencies(features: Tensor, factor: float) -> Tensor:
    """Features [batch, channel, height, width] whose lowest frequencies are multiplied (eq. 5 to 7)."""
    axes = (-2, -1)
    spectrum = torch.fft.fftshift(torch.fft.fftn(features.float(), dim=axes), dim=axes)
    rows, columns = (
        slice(max(0, side // 2 - _LOW_FREQUENCIES), side // 2 + _LOW_FREQUENCIES) for side in spectrum.shape[-2:]
    )
    gains = torch.ones_like(spectrum.real)
    gains[..., rows, columns] = factor
    filtered: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum * gains, dim=axes), dim=axes)
    return filtered.real.to(features)
