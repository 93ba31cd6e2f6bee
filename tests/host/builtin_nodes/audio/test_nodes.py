from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.audio.nodes import (
    audio_adjust_volume,
    audio_concat,
    audio_merge,
    empty_audio,
    split_audio_channels,
    trim_audio_duration,
)
from sdk import NodeError

RAMP = torch.linspace(-1, 1, 1000).repeat(1, 2, 1)


def sound(waveform: torch.Tensor, rate: int = 1000) -> dict[str, Any]:
    return {"waveform": waveform, "sample_rate": rate}


@pytest.mark.parametrize(
    ("start", "duration", "piece"),
    [
        (0.25, 0.5, slice(250, 750)),
        (-0.25, 60.0, slice(750, 1000)),
        (-60.0, 0.1, slice(0, 100)),
        (60.0, 60.0, slice(999, 1000)),
        (0.0005, 0.0025, slice(0, 2)),  # halves are rounded to even
    ],
)
def test_a_piece_is_cut_at_whole_samples(start: float, duration: float, piece: slice) -> None:
    found = trim_audio_duration(sound(RAMP), start, duration)
    assert torch.equal(found["waveform"], RAMP[..., piece])


def test_a_piece_of_no_length_is_refused() -> None:
    with pytest.raises(NodeError, match="start earlier or take more"):
        trim_audio_duration(sound(RAMP), 0.5, 0.0)


def test_joined_sounds_are_stereo_at_the_higher_rate() -> None:
    mono = sound(torch.full((1, 1, 50), 0.5), 500)
    after = audio_concat(mono, sound(RAMP), "after")
    assert after["sample_rate"] == 1000
    assert after["waveform"].shape == (1, 2, 100 + 1000)
    assert torch.equal(after["waveform"][..., 100:], RAMP)
    assert torch.equal(audio_concat(mono, sound(RAMP), "before")["waveform"][..., :1000], RAMP)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("add", [1.0, 0.75, -0.25]),
        ("subtract", [0.0, 0.25, -0.25]),
        ("multiply", [0.25, 0.125, 0.0]),
        ("mean", [0.5, 0.375, -0.125]),
    ],
)
def test_the_first_sound_decides_the_length_of_a_mixture(method: str, expected: list[float]) -> None:
    first, short = torch.tensor([[[0.5, 0.5, -0.25]]]), torch.tensor([[[0.5, 0.25]]])
    assert audio_merge(sound(first), sound(short), method)["waveform"].tolist() == [[expected]]
    long = torch.cat((short, torch.zeros(1, 1, 9)), dim=-1)
    assert audio_merge(sound(first), sound(long), method)["waveform"].tolist() == [[expected]]


def test_a_mixture_that_is_too_loud_is_turned_down_as_a_whole() -> None:
    loud = sound(torch.tensor([[[1.0, -0.5]]]))
    assert audio_merge(loud, loud, "add")["waveform"].tolist() == [[[1.0, -0.5]]]


def test_decibels_channels_and_silence() -> None:
    louder = audio_adjust_volume(sound(RAMP), 20)["waveform"]
    torch.testing.assert_close(louder, RAMP * 10)
    assert torch.equal(audio_adjust_volume(sound(RAMP), 0)["waveform"], RAMP)
    left, right = split_audio_channels(sound(torch.stack((RAMP[:, 0], -RAMP[:, 1]), dim=1)))
    assert torch.equal(left["waveform"], -right["waveform"])
    with pytest.raises(NodeError, match="1 channel"):
        split_audio_channels(left)
    assert empty_audio(0.0123, 1000, 1)["waveform"].shape == (1, 1, 12)
    for rate, channels in ((0, 2), (-5, 2), (8000, 0)):
        with pytest.raises(NodeError, match=f"{channels} channel.* of {rate} samples"):
            empty_audio(1.0, rate, channels)
