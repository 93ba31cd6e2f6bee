"""The family of Flux."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.flux.config import TEXT_ENCODERS, FluxConfig, layer_table
from host.builtin_nodes.families.flux.detection import FAMILY, detect
from host.builtin_nodes.families.flux.nodes import clip_text_encode_flux
from host.builtin_nodes.families.flux.processor_names import processor_names
from host.builtin_nodes.families.mmdit.checkpoint import parts_beside
from host.builtin_nodes.families.mmdit.layers import patch_names, weight_sources
from sdk import Header, Identity, ModelFamily, NodeType, Part, Refusal, hookimpl
from sdk.models import PatchTarget


class FluxFamily:
    """Flux dev, schnell, fill, depth and canny, of any size: whole checkpoints, and transformers in either layout."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a Flux transformer."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``, and ``text_encoder`` and ``vae`` where the file has them."""
        from host.builtin_nodes.families.flux.text import flux_text_adapter

        facts = identity.config
        denoiser = _denoiser_part(header, facts["prefix"], FluxConfig(**facts["transformer"]))
        return [denoiser, *parts_beside(header, facts, TEXT_ENCODERS, flux_text_adapter)]


def _denoiser_part(header: Header, prefix: str, config: FluxConfig) -> Part:
    from host.builtin_nodes.families.flux.denoiser import flux_denoiser

    table = layer_table(config)
    weights = weight_sources(header, prefix, table, original_layout=config.original_layout)

    def build() -> object:
        from host.builtin_nodes.families.flux.module import build_flux

        return build_flux(config)

    def names() -> Mapping[str, PatchTarget]:
        found = patch_names(header, weights, table, original_layout=config.original_layout)
        return found | processor_names(found, config.double_blocks, config.single_blocks)

    return Part(
        name="denoiser",
        build=build,
        weights=weights,
        adapter=flux_denoiser(config.in_channels, config.pooled_channels, guidance=config.guidance),
        patch_names=names,
    )


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [FluxFamily()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for the model's own kind of prompts."""
    return [clip_text_encode_flux]
