"""Growing and shrinking of bright areas, and the node for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from sdk import Image, NodeType, Range, TypedCombo, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

Operation = Literal["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"]


@node(
    id="Morphology",
    title="ImageMorphology",
    category="image/postprocessing",
    output_tooltips=("The changed pictures.",),
)
def morphology(
    image: Image,
    operation: Annotated[Operation, TypedCombo(multiselect=False)],
    kernel_size: Annotated[int, Range(3, 999, 1)] = 3,
) -> Image:
    """Grow, shrink or outline the bright areas of pictures, each channel by itself.

    Args:
        image: The pictures.
        operation: Erode shrinks bright areas, dilate grows them; open removes bright specks, close dark ones; gradient
            leaves outlines, top_hat only the bright specks, bottom_hat only the dark ones.
        kernel_size: Side of the square that a pixel sees, in pixels.
    """
    samples = image.movedim(-1, 1)
    match operation:
        case "erode":
            changed = erosion(samples, kernel_size)
        case "dilate":
            changed = dilation(samples, kernel_size)
        case "open":
            changed = opening(samples, kernel_size)
        case "close":
            changed = closing(samples, kernel_size)
        case "gradient":
            changed = dilation(samples, kernel_size) - erosion(samples, kernel_size)
        case "top_hat":
            changed = samples - opening(samples, kernel_size)
        case "bottom_hat":
            changed = closing(samples, kernel_size) - samples
    return changed.movedim(1, -1)


def dilation(samples: Tensor, size: int) -> Tensor:
    """The largest value within a square of ``size`` around each cell of [..., height, width]; borders add nothing.

    A bright cell spreads over the square around it, so that those of an even size reach one cell further left and up.
    """
    return _largest(samples, before=size - size // 2 - 1, after=size // 2)


def erosion(samples: Tensor, size: int) -> Tensor:
    """The smallest value within a square of ``size`` around each cell; borders take nothing away.

    The mirror image of a dilation's square, as opening and closing need it (Serra 1982): otherwise they would move
    what they leave.
    """
    return -_largest(-samples, before=size // 2, after=size - size // 2 - 1)


def _largest(samples: Tensor, *, before: int, after: int) -> Tensor:
    """Of each cell and so many left of and above it, and so many right of and below it."""
    from host.builtin_nodes.images.windows import running_maximum

    return running_maximum(running_maximum(samples, before, after, -1), before, after, -2)


def opening(samples: Tensor, size: int) -> Tensor:
    """Without bright areas that are smaller than the square."""
    return dilation(erosion(samples, size), size)


def closing(samples: Tensor, size: int) -> Tensor:
    """Without dark areas that are smaller than the square."""
    return erosion(dilation(samples, size), size)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for growing and shrinking."""
    return [morphology]
