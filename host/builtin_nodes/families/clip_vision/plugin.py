"""The family of image encoders that stand alone, or beside their text encoder."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_vision.detection import FAMILY, detect
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout
from host.builtin_nodes.families.clip_vision.part import clip_vision_part
from host.builtin_nodes.families.detection import identified
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class ClipVisionFamily:
    """The image encoders of CLIP (ViT-B, L, H, bigG) in transformers' layout or the original one, and of SigLIP.

    A file that has the text encoder, too, counts as that; who wants its image encoder opens it as ``image_encoder``.
    """

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds an image encoder, and nothing else that the file would rather be."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``clip_vision``."""
        return [clip_vision_part(header, ClipVisionLayout(**identity.config["vision"]))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [ClipVisionFamily()]
