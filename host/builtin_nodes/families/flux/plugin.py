"""The family of Flux."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from host.builtin_nodes.families.flux.config import (
    LATENT_FORMAT,
    PATCH,
    TEXT_ENCODERS,
    TEXT_PREFIXES,
    FluxConfig,
    flux_config,
    layer_table,
)
from host.builtin_nodes.families.flux.nodes import clip_text_encode_flux
from host.builtin_nodes.families.mmdit.checkpoint import Checkpoint, parts_beside, read_checkpoint, transformer_prefix
from host.builtin_nodes.families.mmdit.layers import patch_names, weight_sources
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, hookimpl


class FluxFamily:
    """Flux dev, schnell, fill, depth and canny, of any size: whole checkpoints, and transformers in either layout."""

    name = "flux"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Flux transformer."""
        try:
            facts = stated_facts(header)
            config = flux_config(header, transformer_prefix(header), facts)
            checkpoint = read_checkpoint(header, TEXT_PREFIXES, facts)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind=checkpoint.kind,
            config=_facts(config, checkpoint),
            because=(
                f"it has {config.double_blocks} double and {config.single_blocks} single blocks of {config.hidden} "
                f"channels, takes {config.in_channels} channels and {'a' if config.guidance else 'no'} guidance"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.flux.text import flux_text_adapter

        facts = identity.config
        denoiser = _denoiser_part(header, facts["prefix"], FluxConfig(**facts["transformer"]))
        return [denoiser, *parts_beside(header, facts, TEXT_ENCODERS, flux_text_adapter)]


def _facts(config: FluxConfig, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **checkpoint.as_json(),
        "transformer": config.as_json(),
        "prediction": "flow",
        "guidance_embed": config.guidance,
        "latent_channels": LATENT_FORMAT.channels,
        "latent_scale": LATENT_FORMAT.scale,
        "latent_shift": LATENT_FORMAT.shift,
        "dims": {
            "hidden_size": config.hidden,
            "heads": config.heads,
            "head_size": config.hidden // config.heads,
            "double_blocks": config.double_blocks,
            "single_blocks": config.single_blocks,
            "context_dim": config.context_channels,
            "pooled_dim": config.pooled_channels,
            "rope_axes_dim": list(config.rotary),
            "rope_theta": 10_000,
            "mlp_ratio": 4,
            "patch_size": PATCH,
            "in_channels": config.in_channels,
        },
    }


def _denoiser_part(header: Header, prefix: str, config: FluxConfig) -> Part:
    from host.builtin_nodes.families.flux.denoiser import flux_denoiser

    table = layer_table(config)
    weights = weight_sources(header, prefix, table, original_layout=config.original_layout)

    def build() -> object:
        from host.builtin_nodes.families.flux.module import build_flux

        return build_flux(config)

    return Part(
        name="denoiser",
        build=build,
        weights=weights,
        adapter=flux_denoiser(config.in_channels, config.pooled_channels, guidance=config.guidance),
        patch_names=lambda: patch_names(header, weights, table, original_layout=config.original_layout),
    )


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [FluxFamily()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for the model's own kind of prompts."""
    return [clip_text_encode_flux]
