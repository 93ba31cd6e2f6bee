"""Sounds at another sample rate."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99
"""Share of the band that passes, so that the filter's slope lies below the limit."""


def resampled(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """The waveform [..., sample] at another rate, by band-limited interpolation with a Hann-windowed sinc.

    Source: J. O. Smith, "Digital Audio Resampling". For each of the ``new_rate / gcd`` positions between samples there
    is a filter; together they are one strided convolution.
    """
    if rate == new_rate or not waveform.numel():
        return waveform
    divisor = math.gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    kernel, reach = _kernel(old, new)
    flat = waveform.reshape(-1, 1, waveform.shape[-1])
    found = conv1d(pad(flat, (reach, reach + old)), kernel.to(waveform), stride=old)
    length = math.ceil(new * waveform.shape[-1] / old)
    return found.transpose(1, 2).reshape(*waveform.shape[:-1], -1)[..., :length]


def _kernel(old: int, new: int) -> tuple[Tensor, int]:
    """Filters [new, 1, taps] and how many samples they reach to the left."""
    cutoff = min(old, new) * _ROLLOFF
    reach = math.ceil(_ZERO_CROSSINGS * old / cutoff)
    # In single precision, as existing workflows have it: in double, samples differ by up to 1e-4 of full scale.
    taps = torch.arange(-reach, reach + old, dtype=torch.float32) / old
    positions = torch.arange(0, -new, -1, dtype=torch.float32)[:, None] / new
    time = ((positions + taps) * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = torch.cos(time * math.pi / _ZERO_CROSSINGS / 2) ** 2
    return (torch.sinc(time) * window * (cutoff / old))[:, None], reach
