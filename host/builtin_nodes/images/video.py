"""Videos as values, and the nodes that put them together and take them apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from sdk import Audio, Image, NodeType, Range, Video, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class VideoComponents:
    """Frames [frame, height, width, channel] in 0..1, their rate per second, and the sound or None."""

    images: Tensor
    frame_rate: Fraction
    audio: Any = None


@dataclass(frozen=True, eq=False)
class VideoFromComponents:
    """A video that is not in a file yet."""

    components: VideoComponents

    def get_components(self) -> VideoComponents:
        """Frames, rate and sound."""
        return self.components

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.components.images.shape[1:3]
        return width, height


@node(id="CreateVideo", title="Create Video", category="image/video", output_tooltips=("The video.",))
def create_video(
    images: Image, fps: Annotated[float, Range(1.0, 120.0, 1.0)] = 30.0, audio: Audio | None = None
) -> Video:
    """Make a video of pictures.

    Args:
        images: The frames.
        fps: Frames per second.
        audio: The sound that belongs to it.
    """
    return VideoFromComponents(VideoComponents(images, Fraction(fps), audio))


@node(
    id="GetVideoComponents",
    title="Get Video Components",
    category="image/video",
    names=("images", "audio", "fps"),
    output_tooltips=("The frames.", "The sound, if there is one.", "Frames per second."),
)
def get_video_components(video: Video) -> tuple[Image, Audio, float]:
    """The frames, the sound and the frame rate of a video.

    Args:
        video: The video.
    """
    components = video.get_components()
    return components.images, components.audio, float(components.frame_rate)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for videos."""
    return [create_video, get_video_components]
