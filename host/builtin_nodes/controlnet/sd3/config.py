"""Finds a control network for Stable Diffusion 3 in a file, and reads its dimensions off the shapes.

There are two kinds. One has joint blocks of image and text tokens, as the model itself (InstantX 2024, in diffusers'
layout). The other has blocks of image tokens alone and takes these as the model itself embeds them (Stability AI 2024,
for Stable Diffusion 3.5 large; in diffusers' layout, or with queries, keys and values in one weight).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host.builtin_nodes.families.mmdit.layers import (
    LayerTable,
    count_blocks,
    matrix,
    numbered,
    weight_sources,
)
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.sd3.config import LATENT_CHANNELS, patches_of, sd3_trunk
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, TensorSource

HINT_KIND = "control_type"
"""A tensor of one number: what a network of image tokens was trained for."""

_HINT, _OUTPUT, _FIRST = "pos_embed_input.proj.weight", "controlnet_blocks.0.weight", "transformer_blocks.0."
_HEAD = 64
_ALONE = {
    "adaLN_modulation.1": ("norm1.linear",),
    "attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "attn.proj": ("attn.to_out.0",),
    "mlp.fc1": ("ff.net.0.proj",),
    "mlp.fc2": ("ff.net.2",),
}


@dataclass(frozen=True, kw_only=True)
class Sd3ControlConfig:
    """Everything that decides a control network's shape; see ``Sd3Config`` for the fields of the same names.

    Attributes:
        hint_channels: of the latent it looks at, with a mask if it takes one.
        context_channels: None where it doesn't look at the prompt.
        positions: None where it takes tokens with their positions from the model.
        fused: queries, keys and values are one weight in the file.
    """

    hidden: int
    heads: int
    blocks: int
    patch: int
    hint_channels: int
    context_channels: int | None
    pooled_channels: int
    positions: int | None
    normed_heads: bool
    dual_blocks: Sequence[int]
    fused: bool

    @property
    def takes_mask(self) -> bool:
        """A mask goes with the hint."""
        return self.hint_channels == LATENT_CHANNELS + 1

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``Sd3ControlConfig(**fields)`` takes them."""
        return {**asdict(self), "dual_blocks": list(self.dual_blocks)}


def find_sd3_control(header: Header) -> Sd3ControlConfig:
    """The control network in a file.

    Raises:
        LayoutError: there is none, or of impossible dimensions.
    """
    if _HINT not in header.tensors or _OUTPUT not in header.tensors:
        raise LayoutError("there is no control network of Stable Diffusion 3 in it")
    hidden, hint_channels, patch = patches_of(header, _HINT)
    if hint_channels not in (LATENT_CHANNELS, LATENT_CHANNELS + 1):
        raise LayoutError(f"its hints have {hint_channels} channels")
    facts = stated_facts(header)
    if f"{_FIRST}attn.add_q_proj.weight" in header.tensors:
        return _joint(header, hint_channels, facts)
    return _alone(header, hidden, patch, hint_channels, facts)


def control_sources(header: Header, config: Sd3ControlConfig) -> dict[str, TensorSource]:
    """Where the module finds its weights in the file."""
    sources = weight_sources(header, "", LayerTable({}, config.hidden, frozenset()), original_layout=False)
    sources.pop(HINT_KIND, None)
    if not config.fused:
        return sources
    layers = numbered("transformer_blocks", config.blocks, _ALONE, "transformer_blocks")
    ours = weight_sources(header, "", LayerTable(layers, config.hidden, frozenset()), original_layout=True)
    cut = {source.key for source in ours.values()}
    return {**{name: source for name, source in sources.items() if source.key not in cut}, **ours}


def _joint(header: Header, hint_channels: int, facts: Mapping[str, Any]) -> Sd3ControlConfig:
    trunk = sd3_trunk(header, "", facts)
    if trunk.in_channels != LATENT_CHANNELS:
        raise LayoutError(f"its latent has {trunk.in_channels} channels")
    return Sd3ControlConfig(
        hidden=trunk.hidden,
        heads=trunk.heads,
        blocks=trunk.blocks,
        patch=trunk.patch,
        hint_channels=hint_channels,
        context_channels=trunk.context_channels,
        pooled_channels=trunk.pooled_channels,
        positions=trunk.positions,
        normed_heads=trunk.normed_heads,
        dual_blocks=trunk.dual_blocks,
        fused=False,
    )


def _alone(header: Header, hidden: int, patch: int, hint_channels: int, facts: Mapping[str, Any]) -> Sd3ControlConfig:
    fused = f"{_FIRST}attn.qkv.weight" in header.tensors
    blocks = count_blocks(header.shape, f"transformer_blocks.{{}}.attn.{'qkv' if fused else 'to_q'}.weight")
    if not blocks:
        raise LayoutError("it has no blocks of image tokens")
    _, pooled = matrix(header, "time_text_embed.text_embedder.linear_1.weight")
    if pooled == hidden:
        raise LayoutError("it takes the pooled text as the model embeds it, which isn't known here")
    heads = whole_number(facts, "mmdit.heads") or hidden // _HEAD
    if not heads or hidden % heads:
        raise LayoutError(f"{hidden} channels don't make heads of {_HEAD}")
    return Sd3ControlConfig(
        hidden=hidden,
        heads=heads,
        blocks=blocks,
        patch=patch,
        hint_channels=hint_channels,
        context_channels=None,
        pooled_channels=pooled,
        positions=None,
        normed_heads=False,
        dual_blocks=(),
        fused=fused,
    )
