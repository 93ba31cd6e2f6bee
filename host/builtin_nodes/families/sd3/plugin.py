"""The family of Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from host.builtin_nodes.families.mmdit.checkpoint import Checkpoint, parts_beside, read_checkpoint, transformer_prefix
from host.builtin_nodes.families.mmdit.layers import patch_names, weight_sources
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.sd3.config import (
    LATENT_FORMAT,
    TEXT_ENCODERS,
    TEXT_PREFIXES,
    Sd3Config,
    layer_table,
    positions_key,
    sd3_config,
)
from host.builtin_nodes.families.sd3.nodes import clip_text_encode_sd3
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, TensorSource, hookimpl

_POSITIONS = "pos_embed.pos_embed"


class Sd3Family:
    """Stable Diffusion 3 and 3.5 of any size: whole checkpoints, and transformers alone in either layout."""

    name = "sd3"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Stable Diffusion 3 transformer."""
        try:
            facts = stated_facts(header)
            config = sd3_config(header, transformer_prefix(header), facts)
            checkpoint = read_checkpoint(header, TEXT_PREFIXES, facts)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind=checkpoint.kind,
            config=_facts(config, checkpoint),
            because=(
                f"it has {config.blocks} joint blocks of {config.hidden} channels, {len(config.dual_blocks)} of them "
                f"with a second attention, and takes a context of {config.context_channels}"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.sd3.text import sd3_text_adapter

        facts = identity.config
        denoiser = _denoiser_part(header, facts["prefix"], Sd3Config(**facts["transformer"]))
        return [denoiser, *parts_beside(header, facts, TEXT_ENCODERS, sd3_text_adapter)]


def _facts(config: Sd3Config, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **checkpoint.as_json(),
        "transformer": config.as_json(),
        "prediction": "flow",
        "latent_channels": LATENT_FORMAT.channels,
        "latent_scale": LATENT_FORMAT.scale,
        "latent_shift": LATENT_FORMAT.shift,
        "dims": {
            "hidden_size": config.hidden,
            "depth": config.blocks,
            "heads": config.heads,
            "head_size": config.hidden // config.heads,
            "context_dim": config.context_channels,
            "pooled_dim": config.pooled_channels,
            "pos_embed_max_size": config.positions,
            "qk_norm": "rms" if config.normed_heads else None,
            "x_block_self_attn_layers": list(config.dual_blocks),
            "patch_size": config.patch,
        },
    }


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
