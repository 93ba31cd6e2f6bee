"""The family of Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.mmdit.checkpoint import parts_beside
from host.builtin_nodes.families.mmdit.layers import patch_names, weight_sources
from host.builtin_nodes.families.sd3.config import TEXT_ENCODERS, Sd3Config, layer_table, positions_key
from host.builtin_nodes.families.sd3.detection import FAMILY, detect
from host.builtin_nodes.families.sd3.nodes import clip_text_encode_sd3
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, TensorSource, hookimpl

_POSITIONS = "pos_embed.pos_embed"


class Sd3Family:
    """Stable Diffusion 3 and 3.5 of any size: whole checkpoints, and transformers alone in either layout."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Stable Diffusion 3 transformer."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sd3.text import sd3_text_adapter

        facts = identity.config
        denoiser = _denoiser_part(header, facts["prefix"], Sd3Config(**facts["transformer"]))
        return [denoiser, *parts_beside(header, facts, TEXT_ENCODERS, sd3_text_adapter)]


def _denoiser_part(header: Header, prefix: str, config: Sd3Config) -> Part:
    from host.builtin_nodes.families.sd3.denoiser import sd3_denoiser

    table = layer_table(config)
    weights = weight_sources(header, prefix, table, original_layout=config.original_layout)
    if config.original_layout:
        weights[_POSITIONS] = TensorSource(prefix + positions_key(original_layout=True))

    def build() -> object:
        from host.builtin_nodes.families.sd3.module import build_sd3

        return build_sd3(config)

    return Part(
        name="denoiser",
        build=build,
        weights=weights,
        adapter=sd3_denoiser(config.in_channels, config.pooled_channels, config.positions, config.patch),
        patch_names=lambda: patch_names(header, weights, table, original_layout=config.original_layout),
    )


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [Sd3Family()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for the model's own kind of prompts."""
    return [clip_text_encode_sd3]
