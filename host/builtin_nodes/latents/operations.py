"""Operations on latents as values of their own, and the node that applies one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from sdk import Latent, NodeType, Range, Socket, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

LatentOperation = Annotated[Any, Socket("LATENT_OPERATION", "callable: operation(latent=tensor) gives a tensor")]


@dataclass(frozen=True)
class Tonemap:
    """Compresses the lengths of a latent's cells; see ``tones.reinhard``."""

    multiplier: float

    def __call__(self, latent: Tensor, **_: Any) -> Tensor:
        from host.builtin_nodes.latents import tones

        return tones.reinhard(latent, self.multiplier)


@dataclass(frozen=True)
class Sharpening:
    """Sharpens a latent; see ``tones.sharpened``."""

    radius: int
    sigma: float
    strength: float

    def __call__(self, latent: Tensor, **_: Any) -> Tensor:
        from host.builtin_nodes.latents import tones

        return tones.sharpened(latent, self.radius, self.sigma, self.strength)


@node(
    id="LatentApplyOperation",
    category="latent/advanced/operations",
    experimental=True,
    output_tooltips=("The changed latent.",),
)
def latent_apply_operation(samples: Latent, operation: LatentOperation) -> Latent:
    """Apply an operation to a latent.

    Args:
        samples: The latent.
        operation: What to do with it.
    """
    return {**samples, "samples": operation(latent=samples["samples"])}


@node(
    id="LatentOperationTonemapReinhard",
    category="latent/advanced/operations",
    experimental=True,
    output_tooltips=("The operation.",),
)
def latent_operation_tonemap_reinhard(
    multiplier: Annotated[float, Range(0.0, 100.0, 0.01)] = 1.0,
) -> LatentOperation:
    """An operation that tames extreme values, against burnt colours at high guidance.

    Args:
        multiplier: How long a cell may be before it is compressed, in units of what is usual in the latent.
    """
    return Tonemap(multiplier)


@node(
    id="LatentOperationSharpen",
    category="latent/advanced/operations",
    experimental=True,
    output_tooltips=("The operation.",),
)
def latent_operation_sharpen(
    sharpen_radius: Annotated[int, Range(1, 31, 1)] = 9,
    sigma: Annotated[float, Range(0.1, 10.0, 0.1)] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, 0.01)] = 0.1,
) -> LatentOperation:
    """An operation that sharpens the directions of a latent's cells and keeps their lengths.

    Args:
        sharpen_radius: How far it reaches, in cells.
        sigma: Width of the Gaussian, in units of the radius.
        alpha: How much; 0 changes nothing.
    """
    return Sharpening(sharpen_radius, sigma, alpha)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for operations on latents."""
    return [latent_apply_operation, latent_operation_tonemap_reinhard, latent_operation_sharpen]
