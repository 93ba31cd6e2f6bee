"""Nodes for sound: ``{"waveform": [batch, channel, sample], "sample_rate": Hz}``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Audio, NodeError, NodeType, Options, Range, hookimpl, node

_LIMIT = 2**64 - 1


@node(id="EmptyAudio", title="Empty Audio", category="audio", output_tooltips=("Silence.",))
def empty_audio(
    duration: Annotated[float, Range(0.0, _LIMIT, 0.01)] = 60.0,
    sample_rate: int = 44100,
    channels: Annotated[int, Range(1, 2)] = 2,
) -> Audio:
    """Silence.

    Args:
        duration: Seconds.
        sample_rate: Samples per second.
        channels: 1 for mono, 2 for stereo.
    """
    import torch

    if sample_rate <= 0 or channels <= 0:
        raise NodeError(f"No sound has {channels} channel(s) of {sample_rate} samples a second: give more than 0.")
    return {"waveform": torch.zeros(1, channels, round(duration * sample_rate)), "sample_rate": sample_rate}


@node(id="TrimAudioDuration", title="Trim Audio Duration", category="audio", output_tooltips=("The piece.",))
def trim_audio_duration(
    audio: Audio,
    start_index: Annotated[float, Range(-_LIMIT, _LIMIT, 0.01)] = 0.0,
    duration: Annotated[float, Options({"min": 0.0, "step": 0.01})] = 60.0,
) -> Audio:
    """A piece of a sound.

    Args:
        audio: The sound.
        start_index: Where the piece starts, in seconds; negative numbers count from the end.
        duration: Seconds of the piece; fewer where the sound ends.
    """
    waveform, rate = audio["waveform"], audio["sample_rate"]
    length = waveform.shape[-1]
    start = round(start_index * rate) + (length if start_index < 0 else 0)
    start = max(0, min(start, length - 1))
    end = min(start + round(duration * rate), length)
    if start >= end:
        raise NodeError(
            f"Nothing is left of a sound of {length / rate:g} s that starts at {start_index:g} s and lasts "
            f"{duration:g} s: start earlier or take more."
        )
    return {"waveform": waveform[..., start:end], "sample_rate": rate}


@node(
    id="SplitAudioChannels",
    title="Split Audio Channels",
    category="audio",
    names=("left", "right"),
    output_tooltips=("The left channel, mono.", "The right channel, mono."),
)
def split_audio_channels(audio: Audio) -> tuple[Audio, Audio]:
    """Both channels of a stereo sound, apart.

    Args:
        audio: The sound, in stereo.
    """
    waveform, rate = audio["waveform"], audio["sample_rate"]
    if waveform.shape[1] != 2:
        raise NodeError(f"The sound has {waveform.shape[1]} channel(s): only stereo can be split into left and right.")
    left, right = ({"waveform": waveform[:, channel : channel + 1], "sample_rate": rate} for channel in (0, 1))
    return left, right


@node(id="AudioConcat", title="Audio Concat", category="audio", output_tooltips=("The longer sound.",))
def audio_concat(audio1: Audio, audio2: Audio, direction: Literal["after", "before"] = "after") -> Audio:
    """Two sounds one after the other; mono becomes stereo, and the higher sample rate is kept.

    Args:
        audio1: The first sound.
        audio2: The second sound.
        direction: Where the second sound goes.
    """
    import torch

    from host.builtin_nodes.audio import mixing

    first, second, rate = mixing.at_one_rate(mixing.stereo(audio1), mixing.stereo(audio2))
    pieces = (first, second) if direction == "after" else (second, first)
    return {"waveform": torch.cat(pieces, dim=-1), "sample_rate": rate}


@node(id="AudioMerge", title="Audio Merge", category="audio", output_tooltips=("The mixture.",))
def audio_merge(audio1: Audio, audio2: Audio, merge_method: Literal["add", "mean", "subtract", "multiply"]) -> Audio:
    """Two sounds at once; a mixture that is too loud is turned down as a whole.

    Args:
        audio1: The first sound; it decides the length.
        audio2: The second sound, cut or filled up with silence.
        merge_method: How the waves are put together.
    """
    from host.builtin_nodes.audio import mixing

    first, second, rate = mixing.at_one_rate(audio1, audio2)
    mixed = mixing.mixed(first, mixing.with_length(second, first.shape[-1]), merge_method)
    return {"waveform": mixed, "sample_rate": rate}


@node(id="AudioAdjustVolume", title="Audio Adjust Volume", category="audio", output_tooltips=("The sound.",))
def audio_adjust_volume(audio: Audio, volume: Annotated[int, Range(-100, 100)] = 1) -> Audio:
    """Make a sound louder or softer.

    Args:
        audio: The sound.
        volume: Change in decibels; 6 is about twice the amplitude, -6 half of it.
    """
    return {**audio, "waveform": audio["waveform"] * 10 ** (volume / 20)}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for sound."""
    return [
        empty_audio,
        trim_audio_duration,
        split_audio_channels,
        audio_concat,
        audio_merge,
        audio_adjust_volume,
    ]
