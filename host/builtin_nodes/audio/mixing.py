"""Sounds brought to one form, and mixed."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from host.builtin_nodes.audio.resampling import resampled


def stereo(audio: Mapping[str, Any]) -> dict[str, Any]:
    """The sound with two channels at least: mono twice."""
    waveform = audio["waveform"]
    return {**audio, "waveform": waveform.repeat(1, 2, 1) if waveform.shape[1] == 1 else waveform}


def at_one_rate(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Tensor, Tensor, int]:
    """Both waveforms [batch, channel, sample] at the higher of their sample rates, and that rate."""
    rate = max(one["sample_rate"], other["sample_rate"])
    first, second = (resampled(audio["waveform"], audio["sample_rate"], rate) for audio in (one, other))
    return first, second, rate


def with_length(waveform: Tensor, length: int) -> Tensor:
    """The waveform [..., sample], cut or filled up with silence."""
    return pad(waveform[..., :length], (0, max(0, length - waveform.shape[-1])))


def mixed(one: Tensor, other: Tensor, method: str) -> Tensor:
    """Two waveforms of one length put together; where the result exceeds 1, all of it is scaled down.

    Args:
        method: "add", "subtract", "multiply" or "mean".
    """
    match method:
        case "add":
            result = one + other
        case "subtract":
            result = one - other
        case "multiply":
            result = one * other
        case _:
            result = (one + other) / 2
    return result / result.abs().max().clamp(min=1.0) if result.numel() else result
