"""Videos as values: frames that are in memory, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Metadata = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class VideoComponents:
    """Frames [frame, height, width, channel] in 0..1, their rate per second, and the sound or None."""

    images: Tensor
    frame_rate: Fraction
    audio: Any = None


class VideoValue(Protocol):
    """What flows along VIDEO links."""

    def get_components(self) -> VideoComponents:
        """Frames, rate and sound."""

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""

    def write_mp4(self, target: IO[bytes], metadata: Metadata) -> None:
        """Write the video with H.264 pictures and AAC sound."""


@dataclass(frozen=True, eq=False)
class VideoFromComponents:
    """A video that is not in a file yet."""

    components: VideoComponents

    def get_components(self) -> VideoComponents:
        return self.components

    def get_dimensions(self) -> tuple[int, int]:
        height, width = self.components.images.shape[1:3]
        return width, height

    def write_mp4(self, target: IO[bytes], metadata: Metadata) -> None:
        from host.builtin_nodes.video import encoding

        encoding.write_video(target, self.components, encoding.H264_MP4, metadata)


@dataclass(frozen=True)
class VideoFromFile:
    """A video in a file; read when something asks for it."""

    path: Path

    def get_components(self) -> VideoComponents:
        from host.builtin_nodes.video import decoding

        return decoding.read_video(self.path)

    def get_dimensions(self) -> tuple[int, int]:
        from host.builtin_nodes.video import decoding

        return decoding.dimensions(self.path)

    def write_mp4(self, target: IO[bytes], metadata: Metadata) -> None:
        """As the other kind does; a file that is of this format already is copied without loss."""
        from host.builtin_nodes.video import decoding, encoding

        if not decoding.copied_to_mp4(self.path, target, metadata):
            encoding.write_video(target, self.get_components(), encoding.H264_MP4, metadata)
