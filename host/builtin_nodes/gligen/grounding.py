"""What nodes put into conditioning: boxes with what belongs in them. Importing this module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from sdk import ModelHandle, Socket

if TYPE_CHECKING:
    from torch import Tensor

GROUNDING = "gligen"
"""Option of a conditioning entry."""

MOST_BOXES = 30

Gligen = Annotated[Any, Socket("GLIGEN", "handle of the layers that let a denoiser look at boxes")]


@dataclass(frozen=True, kw_only=True, eq=False)
class Box:
    """A box, in latent cells.

    Attributes:
        text: the pooled vector [1, width] of what belongs in it.
    """

    text: Tensor
    height: int
    width: int
    y: int
    x: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Grounding:
    """Boxes for one prompt, and the network that makes a denoiser look at them."""

    network: ModelHandle
    boxes: tuple[Box, ...]
