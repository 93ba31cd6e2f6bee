"""The family of T5 encoders that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.clip_text.part import TEXT_ENCODER
from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.t5.config import T5Config, t5_copies, t5_patch_names, t5_sources
from host.builtin_nodes.families.t5.detection import FAMILY, detect
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

MOCHI_LENGTH = 256
"""Tokens that Mochi's prompts are padded to."""


class T5Family:
    """T5 v1.1 of any size alone in its file; until a loader says otherwise it is used as Mochi does, masked."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a T5 encoder alone."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        from host.builtin_nodes.families.t5.adapter import T5Adapter

        config = T5Config(**identity.config["t5"])
        prefix = identity.config["prefix"]
        weights = t5_sources(header, prefix)

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
                passed_over=t5_copies(header, prefix),
            )
        ]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [T5Family()]
