"""A sound becomes a file."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import av

from host.builtin_nodes.audio.resampling import resampled
from host.builtin_nodes.video.encoding import sound_layout, write_sound
from sdk import NodeError

_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


@dataclass(frozen=True)
class SoundFormat:
    """A container with its codec.

    Attributes:
        bit_rate: bits a second; None leaves it to ``options``.
        rates: sample rates the codec takes; others are resampled to the next higher one. None for any.
        options: of the encoder.
    """

    container: str
    codec: str
    bit_rate: int | None = None
    rates: tuple[int, ...] | None = None
    options: Mapping[str, str] = field(default_factory=dict)


FLAC = SoundFormat("flac", "flac")


def mp3(quality: str) -> SoundFormat:
    """MP3: "V0" varies the bit rate at the best quality; "128k" and "320k" hold it."""
    if quality == "V0":
        return SoundFormat("mp3", "libmp3lame", options={"q": "0", "qscale": "0"})
    return SoundFormat("mp3", "libmp3lame", bit_rate=_bits(quality))


def opus(quality: str) -> SoundFormat:
    """Opus in an Ogg file, at a bit rate such as "128k"."""
    return SoundFormat("opus", "libopus", bit_rate=_bits(quality), rates=_OPUS_RATES)


def _bits(quality: str) -> int:
    return int(quality.removesuffix("k")) * 1000


def write_sound_file(target: IO[bytes], audio: Any, wanted: SoundFormat, metadata: Mapping[str, str]) -> None:
    """Write the first sound of a batch.

    Args:
        metadata: text by key, kept in the file.

    Raises:
        NodeError: there is nothing to write, or the codec refuses it.
    """
    if not audio["waveform"].numel():
        raise NodeError("The sound has no samples, so there is nothing to save: give one that is longer than 0 s.")
    audio = _at_rate(audio, wanted)
    try:
        with av.open(target, "w", format=wanted.container) as container:
            container.metadata.update(metadata)
            stream: Any = container.add_stream(
                wanted.codec, rate=audio["sample_rate"], layout=sound_layout(audio), options=dict(wanted.options)
            )
            if wanted.bit_rate is not None:
                stream.bit_rate = wanted.bit_rate
            write_sound(container, stream, audio)
    except av.FFmpegError as error:
        channels, rate = audio["waveform"].shape[1], audio["sample_rate"]
        raise NodeError(
            f"A sound of {channels} channel(s) at {rate} Hz can't be saved as {wanted.container}: {error.strerror}."
        ) from error


def _at_rate(audio: Any, wanted: SoundFormat) -> Any:
    rate = audio["sample_rate"]
    if wanted.rates is None or rate in wanted.rates:
        return audio
    new = next((known for known in wanted.rates if known > rate), wanted.rates[-1])
    return {"waveform": resampled(audio["waveform"], rate, new), "sample_rate": new}
