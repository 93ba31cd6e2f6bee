"""The family of T5 encoders that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.part import TEXT_ENCODER
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.t5.config import MARKER, T5Config, find_t5, t5_config, t5_patch_names, t5_sources
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

_PREFIXES = ("", "text_encoders.t5xxl.", "t5xxl.", "text_encoder.")
_OTHERS = ("model.diffusion_model.", "first_stage_model.", "joint_blocks.", "double_blocks.", "decoder.")
_XXL = 4096


class T5Family:
    """T5 v1.1 of any size alone in its file; until a loader says otherwise it is used as Mochi does, masked."""

    name = "t5"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a T5 encoder alone."""
        prefix = next((p for start in _PREFIXES if (p := find_t5(header, start)) is not None), None)
        if prefix is None:
            return Refusal(f"there is no T5 encoder in it ({MARKER})")
        if any(key.startswith(_OTHERS) for key in header.tensors):
            return Refusal("there is more in it than a T5 encoder")
        try:
            config = t5_config(header, prefix)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="text_encoder",
            config={
                "prefix": prefix,
                "t5": config.as_json(),
                "text_encoders": ["t5xxl" if config.width == _XXL else "t5"],
                "quantisation": header.metadata.get("quantisation") or _quantisation(header, prefix),
            },
            because=f"it has {config.layers} layers of {config.width} channels of a T5 with gated MLPs",
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        from host.builtin_nodes.families.t5.adapter import T5Adapter

        config = T5Config(**identity.config["t5"])
        weights = t5_sources(header, identity.config["prefix"])

        def build() -> object:
            from host.builtin_nodes.families.t5.module import build_t5

            return build_t5(config)

        return [
            Part(
                name=TEXT_ENCODER,
                build=build,
                weights=weights,
                adapter=T5Adapter(header.path, MOCHI_LENGTH, masked=True),
                patch_names=lambda: t5_patch_names(weights, 1, "t5xxl"),
            )
        ]


def _quantisation(header: Header, prefix: str) -> str | None:
    """How the weights are stored, where that takes more than their dtype to say."""
    stem = prefix + MARKER.removesuffix("weight")
    if f"{stem}scale_weight" not in header.tensors:
        return None
    return f"fp8 {header.tensors[prefix + MARKER].dtype.removeprefix('F8_').lower()} with per-tensor scale_weight"


MOCHI_LENGTH = 256
"""Tokens that Mochi's prompts are padded to."""


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [T5Family()]
