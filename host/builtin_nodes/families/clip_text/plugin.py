"""The family of CLIP text encoders that stand alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, find_clip_text
from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.clip_text.part import clip_text_part
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

# Some tools keep the prefix that the encoder had inside a checkpoint or a bigger model.
_PREFIXES = ("", "model.", "transformer.", "text_encoder.", "text_encoders.clip_l.transformer.", "clip_l.transformer.")
_OTHERS = ("model.diffusion_model.", "first_stage_model.", "input_blocks.", "joint_blocks.", "double_blocks.")
_KEYS_BY_WIDTH = {1024: "clip_h", 1280: "clip_g"}


class ClipTextFamily:
    """CLIP-L, OpenCLIP-H and OpenCLIP-G alone in their file, in transformers' layout or the original one; LongCLIP.

    Which one it is, is told by its width, or stated as ``text_encoder`` in the metadata. Until a loader says
    otherwise, each is used as the model family that has it alone does: CLIP-L as Stable Diffusion 1, H as 2, G as the
    refiner of XL.
    """

    name = "clip_text"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a CLIP text encoder alone."""
        try:
            layout = _read(header)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="text_encoder",
            config={"text": layout.as_json(), "text_encoders": [layout.key]},
            because=(
                f"it has {layout.layers} layers of {layout.width} channels, {layout.vocabulary} tokens and "
                f"{layout.positions} positions of a CLIP text encoder"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        from host.builtin_nodes.families.sd1 import adapters as sd1
        from host.builtin_nodes.families.sd2 import adapters as sd2
        from host.builtin_nodes.families.sdxl_refiner import adapters as sdxl_refiner

        layout = ClipTextLayout(**identity.config["text"])
        families = {"clip_l": sd1, "clip_h": sd2, "clip_g": sdxl_refiner}
        return [clip_text_part(header, layout, families[layout.key].text_encoder(layout.positions))]


def _read(header: Header) -> ClipTextLayout:
    tensors = header.tensors
    places = (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)
    prefix = next((p for p in _PREFIXES if any(p + place in tensors for place in places)), None)
    if prefix is None:
        raise LayoutError("there is no CLIP text encoder in it that stands alone")
    if any(key.startswith(_OTHERS) for key in tensors):
        raise LayoutError("there is more in it than a text encoder")
    facts = stated_facts(header)
    key = _key(facts, next(tensors[prefix + place].shape for place in places if prefix + place in tensors))
    # CLIP-L's pooled vector is used as it is.
    layout = find_clip_text(header, prefix, key, facts, projected=key != "clip_l")
    if layout is None:
        raise LayoutError("its text encoder has no tokens")
    return layout


def _key(facts: Mapping[str, Any], tokens: tuple[int, ...]) -> str:
    stated = facts.get("text_encoder")
    if stated in ("clip_l", "clip_h", "clip_g"):
        return str(stated)
    return _KEYS_BY_WIDTH.get(tokens[-1] if tokens else 0, "clip_l")


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [ClipTextFamily()]
