"""Nodes that turn pictures into hints for control networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Image, NodeError, NodeType, Range, Shaped, hookimpl, node

Visible = Annotated[Image, Shaped(channels=3, side=3)]
Threshold = Annotated[float, Range(0.01, 0.99, 0.01)]


@node(id="Canny", category="image/preprocessors", output_tooltips=("White edges on black.",))
def canny(image: Visible, low_threshold: Threshold = 0.4, high_threshold: Threshold = 0.8) -> Image:
    """The edges of pictures as thin white lines on black.

    Args:
        image: The pictures.
        low_threshold: Weaker changes of brightness are never an edge.
        high_threshold: Stronger changes always are one; those between only where they continue one.
    """
    from host.builtin_nodes.images import edges

    if low_threshold > high_threshold:
        raise NodeError(
            f"The low_threshold {low_threshold:g} is above the high_threshold {high_threshold:g}: swap them."
        )
    found = edges.canny(image[..., :3].movedim(-1, 1), low_threshold, high_threshold)
    return found.expand(-1, 3, -1, -1).movedim(1, -1)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make hints."""
    return [canny]
