from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.audio.resampling import resampled

PLACES = torch.arange(40)
WAVE = torch.sin(PLACES * 0.7) + 0.3 * torch.sin(PLACES * 2.1)


@pytest.mark.parametrize(
    ("rate", "new_rate", "length", "expected"),
    [
        (16000, 22050, 56, [0.831603, 0.867781, 0.175452, -0.686588, -0.909010, -0.712785]),
        (44100, 16000, 15, [0.999707, -0.221865, -0.839589, 0.810508, 0.270780, -1.000196]),
    ],
)
def test_samples_are_those_of_existing_workflows(rate: int, new_rate: int, length: int, expected: list[float]) -> None:
    # The numbers are those of torchaudio 2.11's resampling, with its defaults.
    found = resampled(WAVE, rate, new_rate)
    assert len(found) == length
    torch.testing.assert_close(found[4:10], torch.tensor(expected), atol=2e-6, rtol=0)


def test_a_tone_keeps_its_pitch_and_its_loudness() -> None:
    def tone(rate: int) -> torch.Tensor:
        return torch.sin(torch.arange(rate // 10) / rate * 2 * torch.pi * 440)

    inner = slice(200, -200)
    for rate, new_rate in ((16000, 44100), (44100, 16000)):
        found = resampled(tone(rate).expand(1, 2, -1), rate, new_rate)
        assert found.shape == (1, 2, new_rate // 10)
        torch.testing.assert_close(found[0, 1, inner], tone(new_rate)[inner], atol=2e-3, rtol=0)


def test_one_rate_and_silence_without_samples_stay_as_they_are() -> None:
    assert resampled(WAVE, 8000, 8000) is WAVE
    assert resampled(WAVE[:0], 8000, 16000).shape == (0,)
