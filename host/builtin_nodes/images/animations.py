"""Nodes that write a batch of pictures as one animated file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from host.builtin_nodes.images import saving
from sdk import Hidden, Image, NodeContext, NodeResult, NodeType, Range, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

Rate = Annotated[float, Range(0.01, 1000.0, 0.01)]
Prompt = Annotated[Any, Hidden.PROMPT]
Workflow = Annotated[Any, Hidden.EXTRA_PNGINFO]
WEBP_EFFORT = {"default": 4, "fastest": 0, "slowest": 6}


@node(id="SaveAnimatedPNG", title="SaveAnimatedPNG", category="image/animation", output_node=True, returns=type(None))
def save_animated_png(
    context: NodeContext,
    images: Image,
    filename_prefix: str = "ComfyUI",
    fps: Rate = 6.0,
    compress_level: Annotated[int, Range(0, 9)] = 4,
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save a batch of pictures as one animated PNG in the output folder, with the workflow inside.

    Args:
        images: The frames.
        filename_prefix: Start of the file name, with the same tokens as in Save Image.
        fps: Frames per second.
        compress_level: 0 is fast, 9 is small.
    """
    from host.builtin_nodes.images.metadata import animated_png_text

    text = animated_png_text(prompt, extra_pnginfo)
    options = {"format": "PNG", "pnginfo": text, "compress_level": compress_level}
    shown = _save(images, filename_prefix, ".png", fps, options, context)
    return NodeResult(ui={"images": [shown], "animated": (True,)})


@node(id="SaveAnimatedWEBP", title="SaveAnimatedWEBP", category="image/animation", output_node=True, returns=type(None))
def save_animated_webp(
    context: NodeContext,
    images: Image,
    filename_prefix: str = "ComfyUI",
    fps: Rate = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Range(0, 100)] = 80,
    *,
    method: Literal["default", "fastest", "slowest"],
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save a batch of pictures as one animated WebP in the output folder, with the workflow inside.

    Args:
        images: The frames.
        filename_prefix: Start of the file name, with the same tokens as in Save Image.
        fps: Frames per second.
        lossless: Keep every pixel as it is.
        quality: 0 is small, 100 is good; when lossless, how hard to compress.
        method: Time spent on making the file small.
    """
    from host.builtin_nodes.images.metadata import exif

    options = {"format": "WEBP", "exif": exif(prompt, extra_pnginfo), "lossless": lossless, "quality": quality}
    options |= {"method": WEBP_EFFORT[method]}
    shown = _save(images, filename_prefix, ".webp", fps, options, context)
    return NodeResult(ui={"images": [shown], "animated": (len(images) != 1,)})


def _save(
    images: Tensor, prefix: str, suffix: str, fps: float, options: dict[str, Any], context: NodeContext
) -> dict[str, str]:
    from host.builtin_nodes.images.pixels import checked_batch, to_pillow

    height, width = checked_batch(images).shape[1:3]
    place = context.folders.place(prefix, size=(width, height))
    first, *others = (to_pillow(image) for image in images)
    write = partial(first.save, save_all=True, append_images=others, duration=int(1000 / fps), **options)
    return saving.save_numbered(place, write, suffix=suffix).shown()


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that write animations."""
    return [save_animated_png, save_animated_webp]
