"""Frames and sound become a video file."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any

import av
import torch
from torch import Tensor

from host.builtin_nodes.images.pixels import checked_batch
from host.builtin_nodes.video.errors import UnfitFrames
from host.builtin_nodes.video.values import Metadata, VideoComponents
from sdk import NodeError

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class VideoFormat:
    """A container with its codecs.

    Attributes:
        even: sides must be even, as pixels share colours in squares of 2 x 2.
        options: of the encoder.
    """

    container: str
    codec: str
    title: str
    audio_codec: str | None = None
    pixels: str = "yuv420p"
    even: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


H264_MP4 = VideoFormat("mp4", "libx264", "H.264", audio_codec="aac", even=True)


def webm(codec: str, quality: float) -> VideoFormat:
    """WebM with "vp9" or "av1"; ``quality`` is 0 (best) to 63."""
    options = {"crf": str(quality)}
    if codec == "av1":
        return VideoFormat("webm", "libsvtav1", "AV1", pixels="yuv420p10le", options={**options, "preset": "6"})
    return VideoFormat("webm", "libvpx-vp9", "VP9", options=options)


def write_video(target: IO[bytes], video: VideoComponents, wanted: VideoFormat, metadata: Metadata) -> None:
    """Write a video with its sound, if the format has a codec for that.

    Args:
        metadata: text by key, kept in the container.

    Raises:
        UnfitFrames: the codec refuses frames of this size.
        UnfitImage: the frames are no pictures.
    """
    height, width = checked_batch(video.images).shape[1:3]
    if wanted.even and (width % 2 or height % 2):
        raise UnfitFrames(width, height, wanted.title, "both sides must be even; crop or scale them by a pixel")
    flags = {"movflags": "use_metadata_tags"} if wanted.container == "mp4" else {}
    try:
        with av.open(target, "w", format=wanted.container, options=flags) as container:
            container.metadata.update(metadata)
            pictures = _picture_stream(container, wanted, video.frame_rate, width, height)
            sound = _sound_stream(container, wanted, video.audio)
            for frame in _frames(video.images):
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
            if sound is not None:
                write_sound(container, sound, video.audio)
    except av.FFmpegError as error:
        raise UnfitFrames(width, height, wanted.title, error.strerror or str(error)) from error


def _picture_stream(container: Any, wanted: VideoFormat, rate: Fraction, width: int, height: int) -> Any:
    stream = container.add_stream(wanted.codec, rate=Fraction(round(rate * 1000), 1000), options=dict(wanted.options))
    stream.width, stream.height, stream.pix_fmt = width, height, wanted.pixels
    if wanted.container == "webm":
        stream.bit_rate = 0  # the quality decides alone
    return stream


def _sound_stream(container: Any, wanted: VideoFormat, audio: Any) -> Any:
    if audio is None or wanted.audio_codec is None:
        return None
    return container.add_stream(wanted.audio_codec, rate=audio["sample_rate"], layout=sound_layout(audio))


def sound_layout(audio: Any) -> str:
    """FFmpeg's name for the channels of a sound."""
    return _LAYOUTS.get(audio["waveform"].shape[1], "stereo")


def write_sound(container: Any, stream: Any, audio: Any) -> None:
    """Encode the first sound of a batch to the end."""
    waveform: Tensor = audio["waveform"][0].float().cpu().contiguous()
    if len(waveform) not in _LAYOUTS:
        raise NodeError(f"A sound of {len(waveform)} channels can't be saved: make it mono or stereo first.")
    frame = av.AudioFrame.from_ndarray(waveform.numpy(), format="fltp", layout=sound_layout(audio))
    frame.sample_rate, frame.pts = audio["sample_rate"], 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frames(images: Tensor) -> Iterator[Any]:
    for image in images:
        colours = image[..., :3].expand(*image.shape[:2], 3)
        pixels = (colours * 255).clamp(0, 255).to("cpu", torch.uint8)
        yield av.VideoFrame.from_ndarray(pixels.contiguous().numpy(), format="rgb24")
