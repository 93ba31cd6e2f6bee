"""Nodes that paste latents into others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Latent, Mask, NodeType, Range, hookimpl, node

_CELL = 8
"""Image pixels that places are counted in, along each side."""

Place = Annotated[int, Range(0, 16384, 8)]


@node(id="LatentComposite", title="Latent Composite", category="latent", output_tooltips=("The composed latent.",))
def latent_composite(
    samples_to: Latent,
    samples_from: Latent,
    x: Place = 0,
    y: Place = 0,
    feather: Place = 0,
) -> Latent:
    """Paste a latent into another one.

    Args:
        samples_to: The latent to paste into.
        samples_from: The latent to paste; what lies beyond the border is cut off.
        x: Where its left edge goes, in pixels of the image.
        y: Where its top edge goes, in pixels of the image.
        feather: Over so many pixels of the image it fades in at its edges, except at those on the border.
    """
    from host.builtin_nodes.images import pasting
    from host.builtin_nodes.latents.scaling import feathered_mask, refuse_other_kinds

    target, source = samples_to["samples"], samples_from["samples"]
    refuse_other_kinds(source, target)
    left, top, ramp = x // _CELL, y // _CELL, feather // _CELL
    pasting.refuse_beside(source, x, y, target, _CELL)
    mask = feathered_mask(target, source, left, top, ramp) if ramp else None
    return {**samples_to, "samples": pasting.paste(target, source, left, top, mask)}


@node(
    id="LatentCompositeMasked",
    title="LatentCompositeMasked",
    category="latent",
    output_tooltips=("The composed latent.",),
)
def latent_composite_masked(
    destination: Latent,
    source: Latent,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Latent:
    """Paste a latent into another one, through a mask.

    Args:
        destination: The latent to paste into.
        source: The latent to paste; what lies beyond the border is cut off.
        x: Where its left edge goes, in pixels of the image.
        y: Where its top edge goes, in pixels of the image.
        resize_source: First resize the pasted latent to the size of the other one.
        mask: 1 where the pasted latent is seen, values between mix; resized to it. Without it, everywhere.
    """
    from host.builtin_nodes.images import pasting
    from host.builtin_nodes.latents.scaling import refuse_other_kinds

    target, pasted = destination["samples"], source["samples"]
    refuse_other_kinds(pasted, target)
    if x < 0 or y < 0:
        size = target.shape if resize_source else pasted.shape
        if not (_is_hidden(size[-1], target.shape[-1], x) and _is_hidden(size[-2], target.shape[-2], y)):
            raise pasting.OutsidePlace(x, y, target.shape[-1] * _CELL, target.shape[-2] * _CELL)
        return {**destination, "samples": target.clone()}
    result = pasting.paste(target, pasted, x // _CELL, y // _CELL, mask, resized=resize_source)
    return {**destination, "samples": result}


def _is_hidden(source: int, target: int, at: int) -> bool:
    """Whether a side that begins at ``at`` pixels stops nobody.

    Saved workflows get the target unchanged where all that a negative place leaves of the source is a row or a column,
    and are stopped where it leaves more.
    """
    if at >= 0:
        return True
    at = max(at, -source * _CELL)
    left = range(source)[: target - at // _CELL + at]
    return source <= target and len(left) <= 1


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that paste latents."""
    return [latent_composite, latent_composite_masked]
