"""Nodes that read pictures from files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from sdk import Choice, Image, Mask, NodeContext, NodeError, NodeType, Options, Range, Socket, hookimpl, node

_OUTPUTS = {"route": "/internal/files/output", "refresh_button": True, "control_after_refresh": "first"}
_Webcam = Annotated[Any, Socket("WEBCAM", "name of the picture that the browser took and uploaded")]
_Side = Annotated[int, Range(0, 16384, 1)]


def _named(image: str) -> bool | str:
    # Files of sub-folders and of other folders ("x.png [output]") are fine too: the list of choices is no limit.
    return True if image and isinstance(image, str) else f"Invalid image file: {image}"


def _find(image: str, context: NodeContext) -> Path:
    try:
        return context.folders.input_file(image)
    except NodeError as error:
        raise NodeError(f"Invalid image file: {image}. {error}") from error


def _warn_if(cut_off: bool, path: Path, context: NodeContext) -> None:
    if cut_off:
        context.logger.warning("%s is cut off or damaged: its missing part is left blank", path)


@node(
    id="LoadImage",
    title="Load Image",
    category="image",
    output_tooltips=(
        "All frames of the file, upright, in RGB.",
        "1 where the picture is transparent; an empty 64 × 64 mask where it has no transparency.",
    ),
    reads=("image",),
    validate=_named,
)
def load_image(
    image: Annotated[str, Choice(source="input:image"), Options({"image_upload": True})], context: NodeContext
) -> tuple[Image, Mask]:
    """Read a picture, or the frames of an animation, from the input folder.

    The picture is turned as its EXIF orientation says. Palettes, greys, CMYK and 16-bit files become 8-bit RGB.

    Args:
        image: File in the input folder. "name [output]" and "name [temp]" take it from those folders.
    """
    from host.builtin_nodes.images import pixels

    path = _find(image, context)
    frames, mask, cut_off = pixels.read_image(path)
    _warn_if(cut_off, path, context)
    return frames, mask


def _listed_by_browser(node_type: NodeType) -> NodeType:
    """The node with its choices left to the browser, which asks a route of the host for them."""
    (image,) = node_type.inputs
    return replace(node_type, inputs=(replace(image, type="COMBO", typed_combo=True),))


@_listed_by_browser
@node(
    id="LoadImageOutput",
    title="Load Image (from Outputs)",
    category="image",
    output_tooltips=(
        "All frames of the file, upright, in RGB.",
        "1 where the picture is transparent; an empty 64 × 64 mask where it has no transparency.",
    ),
    reads=("image",),
    validate=_named,
    experimental=True,
)
def load_image_output(
    image: Annotated[str, Options({"image_upload": True, "image_folder": "output", "remote": _OUTPUTS})],
    context: NodeContext,
) -> tuple[Image, Mask]:
    """Read a picture that an earlier run has saved.

    Args:
        image: File in the output folder, written as "name [output]"; the list is refreshed by its button.
    """
    frames, mask = load_image(image, context)
    return frames, mask


@node(
    id="WebcamCapture",
    title="Webcam Capture",
    category="image",
    output_tooltips=("The picture.",),
    reads=("image",),
    validate=_named,
)
def webcam_capture(
    image: _Webcam, context: NodeContext, width: _Side = 0, height: _Side = 0, capture_on_queue: bool = True
) -> Image:
    """Take a picture with the camera of the browser's computer.

    Args:
        image: The picture, as the browser has uploaded it.
        width: Width the browser takes it at, in pixels. 0 leaves it to the camera.
        height: Height the browser takes it at, in pixels. 0 leaves it to the camera.
        capture_on_queue: Take a new picture each time the workflow is queued.
    """
    frames, _ = load_image(image, context)
    return frames


@node(
    id="LoadImageMask",
    title="Load Image (as Mask)",
    category="mask",
    output_tooltips=("The chosen channel, 0..1.",),
    reads=("image",),
    validate=_named,
)
def load_image_mask(
    image: Annotated[str, Choice(source="input"), Options({"image_upload": True})],
    channel: Literal["alpha", "red", "green", "blue"],
    context: NodeContext,
) -> Mask:
    """Read one channel of a picture as a mask.

    Args:
        image: File in the input folder. "name [output]" and "name [temp]" take it from those folders.
        channel: Which channel. Alpha is turned round: the mask is 1 where the picture is transparent.
    """
    from host.builtin_nodes.images import pixels

    path = _find(image, context)
    mask, cut_off = pixels.read_channel(path, channel)
    _warn_if(cut_off, path, context)
    return mask


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that read pictures."""
    return [load_image, load_image_output, webcam_capture, load_image_mask]
