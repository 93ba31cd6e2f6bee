"""Nodes that join, split and count batches of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.batching import selection
from sdk import Image, NodeContext, NodeType, Range, hookimpl, node

Count = Annotated[int, Range(1, 4096)]


@node(id="ImageBatch", title="Batch Images", category="image", output_tooltips=("All pictures as one batch.",))
def image_batch(image1: Image, image2: Image) -> Image:
    """Put two batches of pictures into one.

    Args:
        image1: The pictures that come first; they decide the size.
        image2: The pictures that follow, resized and cut to the size of the first ones.
    """
    import torch

    from host.builtin_nodes.images import scaling
    from host.builtin_nodes.images.errors import UnfitImage

    if image1.shape[-1] != image2.shape[-1]:
        raise UnfitImage(tuple(image2.shape), f"one with {image1.shape[-1]} channels, as the other image has")
    if image1.shape[1:] != image2.shape[1:]:
        image2 = scaling.scale_images(image2, image1.shape[2], image1.shape[1], "bilinear", "center")
    return torch.cat((image1, image2), dim=0)


@node(id="ImageFromBatch", category="image/batch", output_tooltips=("The chosen pictures.",))
def image_from_batch(image: Image, batch_index: Annotated[int, Range(0, 4095)] = 0, length: Count = 1) -> Image:
    """Some pictures of a batch.

    Args:
        image: The batch.
        batch_index: Place of the first one, counted from 0. Beyond the end means the last picture.
        length: How many; fewer where the batch ends.
    """
    return image[selection(len(image), batch_index, length)].clone()


@node(id="RepeatImageBatch", category="image/batch", output_tooltips=("The longer batch.",))
def repeat_image_batch(image: Image, amount: Count = 1) -> Image:
    """A batch of pictures several times in a row.

    Args:
        image: The batch.
        amount: How many times.
    """
    return image.repeat(amount, 1, 1, 1)


@node(
    id="RebatchImages",
    title="Rebatch Images",
    category="image/batch",
    output_tooltips=("Batches of the wanted size; the last one may be smaller.",),
)
def rebatch_images(images: list[Image], batch_size: Annotated[int, Range(1, 4096)] = 1) -> list[Image]:
    """Cut one or more batches of pictures into batches of another size.

    Args:
        images: The batches, of one size of picture.
        batch_size: Pictures in each new batch.
    """
    import torch

    single = [picture for batch in images for picture in batch.split(1)]
    return [torch.cat(single[start : start + batch_size]) for start in range(0, len(single), batch_size)]


@node(
    id="GetImageSize",
    title="Get Image Size",
    category="image",
    names=("width", "height", "batch_size"),
    output_tooltips=("Width in pixels.", "Height in pixels.", "How many pictures."),
    info={
        "input_order": {"required": ["image"], "hidden": ["unique_id"]},
        "input": {"hidden": {"unique_id": "UNIQUE_ID"}},
    },
)
def get_image_size(image: Image, context: NodeContext) -> tuple[int, int, int]:
    """Size and number of pictures, also shown at the node.

    Args:
        image: The pictures.
    """
    count, height, width = image.shape[:3]
    context.text(f"width: {width}, height: {height}\n batch size: {count}")
    return width, height, count


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for batches of pictures."""
    return [image_batch, image_from_batch, repeat_image_batch, rebatch_images, get_image_size]
