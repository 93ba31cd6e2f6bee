"""Nodes that open GLIGEN's layers and say what belongs in which box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.gligen.grounding import GROUNDING, MOST_BOXES, Box, Gligen, Grounding
from host.builtin_nodes.loaders.files import part_of
from sdk import (
    Choice,
    Clip,
    Conditioning,
    Multiline,
    NodeContext,
    NodeError,
    NodeType,
    Range,
    Socket,
    hookimpl,
    node,
)

_CELL = 8
_Side = Annotated[int, Range(8, 16_384, _CELL)]
_Start = Annotated[int, Range(0, 16_384, _CELL)]


@node(
    id="GLIGENLoader",
    title="GLIGENLoader",
    category="loaders",
    output_tooltips=("The layers that let a model look at boxes.",),
    reads=("gligen_name",),
)
def gligen_loader(gligen_name: Annotated[str, Choice(source="folder:gligen")], context: NodeContext) -> Gligen:
    """Open GLIGEN's layers.

    Args:
        gligen_name: The file, in the model folder "gligen".
    """
    return part_of(context.models.open(context.folders.find("gligen", gligen_name)), "gligen", gligen_name)


@node(
    id="GLIGENTextBoxApply",
    title="GLIGENTextBoxApply",
    category="conditioning/gligen",
    output_tooltips=("The prompt with the box.",),
)
def gligen_text_box_apply(
    *,
    conditioning_to: Conditioning,
    clip: Clip,
    gligen_textbox_model: Gligen,
    text: Annotated[str, Multiline(dynamic=True)],
    width: _Side = 64,
    height: _Side = 64,
    x: _Start = 0,
    y: _Start = 0,
    context: NodeContext,
) -> Conditioning:
    """Say what belongs in a box of the image. Several can be chained, up to 30.

    Args:
        conditioning_to: The prompt for the whole image.
        clip: The text encoder of Stable Diffusion 1.
        gligen_textbox_model: GLIGEN's layers.
        text: What belongs in the box.
        width: Width of the box, in pixels.
        height: Height of the box, in pixels.
        x: Distance of the box from the left, in pixels.
        y: Distance of the box from the top, in pixels.
    """
    from host.builtin_nodes.conditioning.prompts import clip_text_encode

    if getattr(getattr(clip.adapter, "layout", None), "key", None) != "clip_l":
        raise NodeError("Boxes want the text encoder of Stable Diffusion 1 (CLIP-L); connect that of the model's file.")
    ((_, options),) = clip_text_encode(text, clip, context)
    pooled = options["pooled_output"]
    if pooled.shape[-1] != gligen_textbox_model.adapter.text:
        raise NodeError(
            f"These GLIGEN layers take texts of {gligen_textbox_model.adapter.text} channels, the text encoder makes "
            f"{pooled.shape[-1]}. Use layers that were trained for this model."
        )
    sides = {"height": height // _CELL, "width": width // _CELL, "y": y // _CELL, "x": x // _CELL}
    box = Box(text=pooled, **sides)
    return [
        [tensor, {**own, GROUNDING: _with(own.get(GROUNDING), box, gligen_textbox_model)}]
        for tensor, own in conditioning_to
    ]


def _with(before: Grounding | None, box: Box, network: Gligen) -> Grounding:
    """The boxes so far, and one more; all are looked at through the network of the last."""
    boxes = (*(() if before is None else before.boxes), box)
    if len(boxes) > MOST_BOXES:
        raise NodeError(f"A prompt can have {MOST_BOXES} boxes at most; this would be number {len(boxes)}.")
    return Grounding(network=network, boxes=boxes)


@hookimpl
def register_sockets() -> Iterable[Socket]:
    """The socket of GLIGEN's layers."""
    return [Gligen.__metadata__[0]]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for boxes."""
    return [gligen_loader, gligen_text_box_apply]
