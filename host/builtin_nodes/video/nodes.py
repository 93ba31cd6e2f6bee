"""Nodes that read, write, put together and take apart videos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from host.builtin_nodes.images import saving
from host.builtin_nodes.video.values import VideoComponents, VideoFromComponents, VideoFromFile
from sdk import (
    Audio,
    Choice,
    Hidden,
    Image,
    NodeContext,
    NodeError,
    NodeResult,
    NodeType,
    Options,
    Range,
    TypedCombo,
    Video,
    hookimpl,
    node,
)

_CATEGORY = "image/video"
_Prompt = Annotated[Any, Hidden.PROMPT]
_Workflow = Annotated[Any, Hidden.EXTRA_PNGINFO]
_HIDDEN = {"input": {"hidden": {"prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]}}}
_Prefix = Annotated[str, Options({"multiline": False})]


def _named(file: str) -> bool | str:
    # Files of sub-folders and of other folders ("x.mp4 [output]") are fine too: the list of choices is no limit.
    return True if file and isinstance(file, str) else f"Invalid video file: {file}"


@node(
    id="LoadVideo",
    title="Load Video",
    category=_CATEGORY,
    output_tooltips=("The video.",),
    reads=("file",),
    validate=_named,
)
def load_video(
    file: Annotated[str, Choice(source="input:video"), TypedCombo(multiselect=False), Options({"video_upload": True})],
    context: NodeContext,
) -> Video:
    """Read a video from the input folder.

    Args:
        file: File in the input folder. "name [output]" and "name [temp]" take it from those folders.
    """
    try:
        return VideoFromFile(context.folders.input_file(file))
    except NodeError as error:
        raise NodeError(f"Invalid video file: {file}. {error}") from error


@node(id="SaveVideo", title="Save Video", category=_CATEGORY, output_node=True, returns=type(None), info=_HIDDEN)
def save_video(
    context: NodeContext,
    video: Video,
    filename_prefix: _Prefix = "video/ComfyUI",
    format: Annotated[Literal["auto", "mp4"], TypedCombo(multiselect=False)] = "auto",
    codec: Annotated[Literal["auto", "h264"], TypedCombo(multiselect=False)] = "auto",
    prompt: _Prompt = None,
    extra_pnginfo: _Workflow = None,
) -> NodeResult:
    """Save a video with its sound in the output folder, with the workflow inside.

    A video that was read from an H.264 file is copied without loss.

    Args:
        video: The video.
        filename_prefix: Start of the file name, with the same tokens as in Save Image.
        format: Kind of file; "auto" is MP4.
        codec: How pictures are compressed; "auto" is H.264.
    """
    place = context.folders.place(filename_prefix, size=video.get_dimensions())
    write = partial(video.write_mp4, metadata=_metadata(prompt, extra_pnginfo))
    return _shown(saving.save_numbered(place, write, suffix=".mp4"))


@node(id="SaveWEBM", category=_CATEGORY, output_node=True, returns=type(None), experimental=True, info=_HIDDEN)
def save_webm(
    context: NodeContext,
    images: Image,
    filename_prefix: _Prefix = "ComfyUI",
    *,
    codec: Annotated[Literal["vp9", "av1"], TypedCombo(multiselect=False)],
    fps: Annotated[float, Range(0.01, 1000.0, 0.01)] = 24.0,
    crf: Annotated[float, Range(0, 63.0, 1)] = 32.0,
    prompt: _Prompt = None,
    extra_pnginfo: _Workflow = None,
) -> NodeResult:
    """Save pictures as a WebM video without sound in the output folder, with the workflow inside.

    Args:
        images: The frames.
        filename_prefix: Start of the file name, with the same tokens as in Save Image.
        codec: VP9 plays nearly everywhere; AV1 files are smaller.
        fps: Frames per second.
        crf: Quality: lower is better and makes larger files.
    """
    from host.builtin_nodes.video import encoding

    components = VideoComponents(images, Fraction(fps))
    place = context.folders.place(filename_prefix, size=VideoFromComponents(components).get_dimensions())

    def write(target: Any) -> None:
        wanted, metadata = encoding.webm(codec, crf), _metadata(prompt, extra_pnginfo)
        encoding.write_video(target, components, wanted, metadata)

    return _shown(saving.save_numbered(place, write, suffix=".webm"))


@node(id="CreateVideo", title="Create Video", category=_CATEGORY, output_tooltips=("The video.",))
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
    category=_CATEGORY,
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


def _metadata(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    entries = {} if prompt is None else {"prompt": prompt}
    return {key: json.dumps(value) for key, value in {**entries, **(extra or {})}.items()}


def _shown(file: saving.SavedFile) -> NodeResult:
    return NodeResult(ui={"images": [file.shown()], "animated": (True,)})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for videos."""
    return [load_video, save_video, save_webm, create_video, get_video_components]
