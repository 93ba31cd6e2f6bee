"""Nodes that open image encoders, and let them say what images show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from host.builtin_nodes.families.clip_vision.detection import IMAGE_ENCODER
from host.builtin_nodes.loaders.files import checkpoint_parts, part_of, part_or_absent
from sdk import Choice, Clip, ClipVision, ClipVisionOutput, Image, Model, NodeContext, NodeType, Vae, hookimpl, node

_PART = "clip_vision"
_TIP = "The encoder that says what an image shows."


@node(
    id="CLIPVisionLoader",
    title="Load CLIP Vision",
    category="loaders",
    output_tooltips=(_TIP,),
    reads=("clip_name",),
)
def clip_vision_loader(
    clip_name: Annotated[str, Choice(source="folder:clip_vision")], context: NodeContext
) -> ClipVision:
    """Open an image encoder, also one whose file has a text encoder beside it.

    Args:
        clip_name: The file, in the model folder "clip_vision".
    """
    path = context.folders.find("clip_vision", clip_name)
    return part_of(context.models.open_together({IMAGE_ENCODER: path}), _PART, clip_name)


@node(
    id="unCLIPCheckpointLoader",
    title="unCLIPCheckpointLoader",
    category="loaders",
    output_tooltips=(
        "The network that removes noise from latents.",
        "The text encoder that turns prompts into conditioning.",
        "The autoencoder between images and latents.",
        _TIP,
    ),
    reads=("ckpt_name",),
)
def unclip_checkpoint_loader(
    ckpt_name: Annotated[str, Choice(source="folder:checkpoints")], context: NodeContext
) -> tuple[Model, Clip, Vae, ClipVision]:
    """Open a checkpoint that makes variations of pictures, with the image encoder that looks at them.

    Args:
        ckpt_name: The checkpoint, among the files in the model folder "checkpoints".
    """
    parts = context.models.open(context.folders.find("checkpoints", ckpt_name))
    return (*checkpoint_parts(parts, ckpt_name), part_or_absent(parts, _PART, ckpt_name))


@node(
    id="CLIPVisionEncode",
    title="CLIP Vision Encode",
    category="conditioning",
    output_tooltips=("What the encoder says of the images.",),
)
def clip_vision_encode(
    clip_vision: ClipVision, image: Image, crop: Literal["center", "none"], context: NodeContext
) -> ClipVisionOutput:
    """Let an image encoder say what images show.

    Args:
        clip_vision: The image encoder.
        image: One or several images.
        crop: Cut the images to a square around their centre, or squeeze the whole of them into one.
    """
    with context.models.borrow(clip_vision) as module:
        return clip_vision.adapter.encode(module, image, crop=crop == "center")


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for image encoders."""
    return [clip_vision_loader, unclip_checkpoint_loader, clip_vision_encode]
