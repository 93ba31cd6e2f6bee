"""Tells Stable Diffusion 3 and 3.5 files from all others by their header."""

from __future__ import annotations

from typing import Any

from host.builtin_nodes.families.mmdit.checkpoint import (
    Checkpoint,
    read_checkpoint,
    transformer_facts,
    transformer_place,
)
from host.builtin_nodes.families.sd3.config import LATENT_FORMAT, MARKS, TEXT_PREFIXES, Sd3Config, sd3_config
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, Identity

FAMILY = "sd3"


def detect(header: Header) -> Identity:
    """The identity of a file that holds a Stable Diffusion 3 transformer.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    facts = stated_facts(header)
    place = transformer_place(header, MARKS, "joint blocks of image and text tokens")
    config = sd3_config(header, place, facts)
    checkpoint = read_checkpoint(header, place, TEXT_PREFIXES, facts)
    return Identity(
        family=FAMILY,
        kind=checkpoint.kind,
        config=_facts(config, checkpoint),
        because=(
            f"it has {config.blocks} joint blocks of {config.hidden} channels, {len(config.dual_blocks)} of them "
            f"with a second attention, and takes a context of {config.context_channels}"
        ),
    )


def _facts(config: Sd3Config, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **transformer_facts(checkpoint, config.as_json(), LATENT_FORMAT),
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
