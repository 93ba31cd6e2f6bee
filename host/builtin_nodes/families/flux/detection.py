"""Tells Flux files from all others by their header."""

from __future__ import annotations

from typing import Any

from host.builtin_nodes.families.flux.config import (
    LATENT_FORMAT,
    MARKS,
    PATCH,
    TEXT_PREFIXES,
    FluxConfig,
    flux_config,
)
from host.builtin_nodes.families.mmdit.checkpoint import (
    Checkpoint,
    read_checkpoint,
    transformer_facts,
    transformer_place,
)
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, Identity

FAMILY = "flux"


def detect(header: Header) -> Identity:
    """The identity of a file that holds a Flux transformer.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    facts = stated_facts(header)
    place = transformer_place(header, MARKS, "double blocks of image and text tokens")
    config = flux_config(header, place, facts)
    checkpoint = read_checkpoint(header, place, TEXT_PREFIXES, facts)
    return Identity(
        family=FAMILY,
        kind=checkpoint.kind,
        config=_facts(config, checkpoint),
        because=(
            f"it has {config.double_blocks} double and {config.single_blocks} single blocks of {config.hidden} "
            f"channels, takes {config.in_channels} channels and {'a' if config.guidance else 'no'} guidance"
        ),
    )


def _facts(config: FluxConfig, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **transformer_facts(checkpoint, config.as_json(), LATENT_FORMAT),
        "guidance_embed": config.guidance,
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
