"""A node that hands pictures to the client that asked for them, and to nobody else: no file is written."""

from __future__ import annotations

import io
from collections.abc import Iterable

from sdk import Determinism, Image, NodeContext, NodeType, hookimpl, node
from sdk.previews import SentPicture

COMPRESSION = 1  # zlib level: the picture crosses a socket once


@node(
    id="SaveImageWebsocket",
    category="api/image",
    output_node=True,
    determinism=Determinism.EXTERNAL,
)
def send_images(context: NodeContext, images: Image) -> None:
    """Send pictures to the client through its websocket, each as one binary message, without saving them.

    Args:
        images: The pictures; they arrive as PNG, in order and in full size.
    """
    from host.builtin_nodes.images.pixels import checked_batch, to_pillow

    total = len(checked_batch(images))
    for index, image in enumerate(images):
        content = io.BytesIO()
        to_pillow(image).save(content, "PNG", compress_level=COMPRESSION)
        context.progress(index, total, preview=SentPicture(content.getvalue()))
    context.progress(total, total)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node that sends pictures."""
    return [send_images]
