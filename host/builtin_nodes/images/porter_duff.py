"""Compositing of pictures with transparency (Porter and Duff 1984), and the node for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

from sdk import Choice, Image, Mask, NodeType, Shaped, TypedCombo, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

Rule = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]
"""From source, source alpha, destination and destination alpha, premultiplied, to a composed channel."""

Alpha = Annotated[Mask, Shaped(dimensions=(3,))]
_OPAQUE_ENOUGH = 1e-5  # below it there is no colour to divide back


def _overlay(s: Tensor, sa: Tensor, d: Tensor, da: Tensor) -> Tensor:
    # The differences are paired as in the results of existing workflows, not as in the W3C's formula.
    return (2 * s * d).where(2 * d < da, sa * da - 2 * (da - s) * (sa - d))


# An alpha channel obeys the rule of the colours, with the alphas in place of them, but for those of ALPHA_RULES.
RULES: Mapping[str, Rule] = {
    "ADD": lambda s, sa, d, da: (s + d).clamp(0, 1),
    "CLEAR": lambda s, sa, d, da: s * 0,
    "DARKEN": lambda s, sa, d, da: (1 - da) * s + (1 - sa) * d + s.minimum(d),
    "DST": lambda s, sa, d, da: d,
    "DST_ATOP": lambda s, sa, d, da: sa * d + (1 - da) * s,
    "DST_IN": lambda s, sa, d, da: sa * d,
    "DST_OUT": lambda s, sa, d, da: (1 - sa) * d,
    "DST_OVER": lambda s, sa, d, da: d + (1 - da) * s,
    "LIGHTEN": lambda s, sa, d, da: (1 - da) * s + (1 - sa) * d + s.maximum(d),
    "MULTIPLY": lambda s, sa, d, da: s * d,
    "OVERLAY": _overlay,
    "SCREEN": lambda s, sa, d, da: s + d - s * d,
    "SRC": lambda s, sa, d, da: s,
    "SRC_ATOP": lambda s, sa, d, da: da * s + (1 - sa) * d,
    "SRC_IN": lambda s, sa, d, da: da * s,
    "SRC_OUT": lambda s, sa, d, da: (1 - da) * s,
    "SRC_OVER": lambda s, sa, d, da: s + (1 - sa) * d,
    "XOR": lambda s, sa, d, da: (1 - da) * s + (1 - sa) * d,
}
ALPHA_RULES: Mapping[str, Rule] = dict.fromkeys(("DARKEN", "LIGHTEN", "OVERLAY"), RULES["SCREEN"])


@node(
    id="PorterDuffImageComposite",
    title="Porter-Duff Image Composite",
    category="mask/compositing",
    output_tooltips=("The composed colours.", "1 where the result is transparent."),
)
def porter_duff_image_composite(
    source: Image,
    source_alpha: Alpha,
    destination: Image,
    destination_alpha: Alpha,
    mode: Annotated[str, Choice(tuple(RULES)), TypedCombo(multiselect=False)] = "DST",
) -> tuple[Image, Mask]:
    """Compose two layers of pictures with transparency.

    Args:
        source: The upper pictures, resized and cut to the size of the lower ones.
        source_alpha: 1 where the upper pictures are transparent; resized to them.
        destination: The lower pictures.
        destination_alpha: 1 where the lower pictures are transparent; resized to them.
        mode: What of both is seen: SRC_OVER puts the source on top, DST_OVER below, *_IN keeps one within the other,
            *_OUT outside of it, *_ATOP on it, XOR where only one is; the others mix like layers of a paint program.
    """
    from host.builtin_nodes.images import scaling
    from host.builtin_nodes.images.errors import UnfitImage

    if source.shape[-1] != destination.shape[-1]:
        raise UnfitImage(tuple(source.shape), f"one with {destination.shape[-1]} channels, as the destination has")
    count = min(len(source), len(source_alpha), len(destination), len(destination_alpha))
    height, width = destination.shape[1:3]
    layers = [layer[:count] for layer in (source, source_alpha[..., None], destination, destination_alpha[..., None])]
    fitted = [
        layer
        if layer.shape[1:3] == (height, width)
        else scaling.scale_images(layer, width, height, "bicubic", "center")
        for layer in layers
    ]
    colours, alpha = composed(fitted[0], 1 - fitted[1], fitted[2], 1 - fitted[3], mode)
    return colours, 1 - alpha[..., 0]


def composed(
    source: Tensor, source_alpha: Tensor, target: Tensor, target_alpha: Tensor, mode: str
) -> tuple[Tensor, Tensor]:
    """Colours and opacity of two layers [batch, height, width, 1 or more], colours not premultiplied.

    Opacities outside of 0..1, from resizing that overshoots, stay so.
    """
    sa, da = source_alpha, target_alpha
    alpha = ALPHA_RULES.get(mode, RULES[mode])(sa, sa, da, da)
    colours = RULES[mode](source * sa, sa, target * da, da)
    plain = (colours / alpha).where(alpha > _OPAQUE_ENOUGH, 0.0)
    return plain.clamp(0, 1), alpha


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for compositing."""
    return [porter_duff_image_composite]
