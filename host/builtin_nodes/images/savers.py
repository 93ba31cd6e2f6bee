"""Nodes that write pictures to the output folder, or to the temporary one to be looked at."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from host.builtin_nodes.images import saving
from sdk import Hidden, Image, Mask, NodeContext, NodeResult, NodeType, hookimpl, node

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo
    from torch import Tensor

SAVED_COMPRESSION, SHOWN_COMPRESSION = 4, 1  # zlib levels: small for keeps, fast for a look
Prompt = Annotated[Any, Hidden.PROMPT]
Workflow = Annotated[Any, Hidden.EXTRA_PNGINFO]


@node(id="SaveImage", title="Save Image", category="image", output_node=True, returns=type(None))
def save_image(
    context: NodeContext,
    images: Image,
    filename_prefix: str = "ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save pictures as PNG files in the output folder, with the workflow inside.

    Drop such a file onto the canvas, or give it to ``comfy-nodes run``, and the workflow is back.

    Args:
        images: The pictures; each becomes a file of its own.
        filename_prefix: Start of the file names, before a running number. May name sub-folders, and hold %width%,
            %height%, %batch_num%, %year%, %month%, %day%, %hour%, %minute% and %second%.
    """
    from host.builtin_nodes.images.metadata import png_text

    return _save(images, filename_prefix, "output", png_text(prompt, extra_pnginfo), SAVED_COMPRESSION, context)


@node(id="PreviewImage", title="Preview Image", category="image", output_node=True, returns=type(None))
def preview_image(
    context: NodeContext, images: Image, prompt: Prompt = None, extra_pnginfo: Workflow = None
) -> NodeResult:
    """Show pictures without keeping them.

    Args:
        images: The pictures. They go to the temporary folder, which is emptied at every start.
    """
    from host.builtin_nodes.images.metadata import png_text

    return _save(images, _temporary_prefix(), "temp", png_text(prompt, extra_pnginfo), SHOWN_COMPRESSION, context)


@node(id="MaskPreview", title="MaskPreview", category="mask", output_node=True, returns=type(None))
def mask_preview(context: NodeContext, mask: Mask, prompt: Prompt = None, extra_pnginfo: Workflow = None) -> NodeResult:
    """Show masks as grey pictures without keeping them.

    Args:
        mask: The masks: black is 0, white is 1.
    """
    from host.builtin_nodes.images.metadata import png_text

    images = mask.reshape(mask.shape[:-2].numel(), *mask.shape[-2:], 1).expand(-1, -1, -1, 3)
    return _save(images, _temporary_prefix(), "temp", png_text(prompt, extra_pnginfo), SHOWN_COMPRESSION, context)


def _temporary_prefix() -> str:
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    return f"ComfyUI_temp_{letters}"


def _save(images: Tensor, prefix: str, root: str, text: PngInfo, compression: int, context: NodeContext) -> NodeResult:
    """Each picture of [batch, height, width, channel] as a PNG file of its own."""
    from host.builtin_nodes.images.pixels import checked_batch, to_pillow

    height, width = checked_batch(images).shape[1:3]
    place = context.folders.place(prefix, root=root, size=(width, height))
    saved: list[dict[str, str]] = []
    number = place.counter
    for index, image in enumerate(images):
        context.cancel.raise_if_cancelled()
        if not image.isfinite().all():
            context.logger.warning("picture %d holds values that are no numbers; they are saved as black", index)
        write = partial(to_pillow(image).save, format="PNG", pnginfo=text, compress_level=compression)
        stem = place.stem.replace("%batch_num%", str(index))
        file = saving.save_numbered(place, write, number=number, stem=stem)
        number = file.number + 1
        saved.append(file.shown())
    return NodeResult(ui={"images": saved})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that write pictures."""
    return [save_image, preview_image, mask_preview]
