"""The family of image encoders that stand alone, or beside their text encoder."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout, find_clip_vision
from host.builtin_nodes.families.clip_vision.part import clip_vision_part
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

IMAGE_ENCODER = "image_encoder"
"""The name under which a loader opens a file whose image encoder is wanted, whatever else is in it."""

_OTHERS = ("model.diffusion_model.", "first_stage_model.")


class ClipVisionFamily:
    """The image encoders of CLIP (ViT-B, L, H, bigG) in transformers' layout or the original one, and of SigLIP.

    A file that has the text encoder, too, counts as that; who wants its image encoder opens it as ``image_encoder``.
    """

    name = "clip_vision"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds an image encoder, and nothing else that the file would rather be."""
        try:
            layout = _read(header)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="clip_vision",
            config={"vision": layout.as_json()},
            because=(
                f"it has {layout.layers} layers of {layout.width} channels over patches of {layout.patch} x "
                f"{layout.patch} pixels of images of {layout.image_size} x {layout.image_size}"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``clip_vision``."""
        return [clip_vision_part(header, ClipVisionLayout(**identity.config["vision"]))]


def _read(header: Header) -> ClipVisionLayout:
    facts = stated_facts(header)
    wanted = f"{IMAGE_ENCODER}."
    own = {name.removeprefix(wanted): value for name, value in facts.items()}
    asked_for = find_clip_vision(header, wanted, own)
    if asked_for is not None:
        return asked_for
    layout = find_clip_vision(header, "", facts)
    if layout is None:
        raise LayoutError("there is no image encoder in it")
    if any(key in header.tensors for key in (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)):
        raise LayoutError("there is a text encoder in it, too")
    if any(key.startswith(_OTHERS) for key in header.tensors):
        raise LayoutError("there is more in it than an image encoder")
    return layout


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [ClipVisionFamily()]
