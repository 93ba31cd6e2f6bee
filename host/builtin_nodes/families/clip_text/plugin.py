"""The family of CLIP text encoders that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.detection import FAMILY, detect
from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.detection import identified
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class ClipTextFamily:
    """CLIP-L, OpenCLIP-H and OpenCLIP-G alone in their file, in transformers' layout or the original one; LongCLIP.

    Which one it is, is told by its width, or stated as ``text_encoder`` in the metadata. Until a loader says
    otherwise, each is used as the model family that has it alone does: CLIP-L as Stable Diffusion 1, H as 2, G as the
    refiner of XL.
    """

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a CLIP text encoder alone."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        from host.builtin_nodes.families.sd1 import adapters as sd1
        from host.builtin_nodes.families.sd2 import adapters as sd2
        from host.builtin_nodes.families.sdxl_refiner import adapters as sdxl_refiner

        layout = ClipTextLayout(**identity.config["text"])
        families = {"clip_l": sd1, "clip_h": sd2, "clip_g": sdxl_refiner}
        return [clip_text_part(header, layout, families[layout.key].text_encoder(layout))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [ClipTextFamily()]
