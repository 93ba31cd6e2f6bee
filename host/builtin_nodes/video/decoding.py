"""Frames and sound out of a video file."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import torch

from host.builtin_nodes.video.errors import UnreadableMedia
from host.builtin_nodes.video.values import Metadata, VideoComponents


@contextmanager
def opened(path: Path, wanted: str) -> Iterator[Any]:
    """The container of a file.

    Raises:
        UnreadableMedia: it is none, or it breaks off while it is read.
    """
    try:
        with av.open(str(path), "r") as container:
            yield container
    except av.FFmpegError as error:
        raise UnreadableMedia(path, wanted, error.strerror or str(error)) from error


def read_video(path: Path) -> VideoComponents:
    """All frames, upright as the file says, their mean rate, and the first sound.

    Raises:
        UnreadableMedia: the file has no pictures, or can't be decoded.
    """
    with opened(path, "a video") as container:
        stream = _pictures(container, path)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        rate = stream.average_rate or stream.guessed_rate or Fraction(1)
    if not frames:
        raise UnreadableMedia(path, "a video", "it holds no frames")
    images = torch.from_numpy(np.stack(frames)).float() / 255.0
    return VideoComponents(images, Fraction(rate), _sound(path))


def dimensions(path: Path) -> tuple[int, int]:
    """Width and height in pixels; no frame is decoded."""
    with opened(path, "a video") as container:
        stream = _pictures(container, path)
        return stream.width, stream.height


def read_sound(path: Path) -> Any:
    """The first sound of a file, as AUDIO: {"waveform": [1, channel, sample] in -1..1, "sample_rate": Hz}.

    Raises:
        UnreadableMedia: it has none, or it can't be decoded.
    """
    sound = _sound(path)
    if sound is None:
        raise UnreadableMedia(path, "a sound", "it holds no sound")
    return sound


def _sound(path: Path) -> Any:
    with opened(path, "a sound") as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout)
        pieces = [
            piece.to_ndarray() for frame in container.decode(stream) for piece in resampler.resample(_timeless(frame))
        ]
        rate = stream.rate
    if not pieces:
        return None
    return {"waveform": torch.from_numpy(np.concatenate(pieces, axis=1))[None], "sample_rate": rate}


def _timeless(frame: Any) -> Any:
    frame.pts = None  # the samples follow each other, whatever the file says of times
    return frame


def copied_to_mp4(path: Path, target: IO[bytes], metadata: Metadata) -> bool:
    """Copy an H.264 MP4 with other metadata; False where the file is of another format and nothing was written."""
    with opened(path, "a video") as container:
        pictures = _pictures(container, path)
        if "mp4" not in container.format.name.split(",") or pictures.codec_context.name != "h264":
            return False
        with av.open(target, "w", format="mp4", options={"movflags": "use_metadata_tags"}) as copy:
            copy.metadata.update({**container.metadata, **metadata})
            kept = [pictures, *container.streams.audio]
            streams = {stream: copy.add_stream_from_template(stream) for stream in kept}
            for packet in container.demux(kept):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream]
                    copy.mux(packet)
    return True


def _pictures(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise UnreadableMedia(path, "a video", "it holds no pictures")
    return container.streams.video[0]
