"""Dimensions of a Stable Diffusion 3 transformer, read off a header in either layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.layers import LayerTable, count_blocks, matrix, numbered
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.rgb_factors import SD3
from host.builtin_nodes.families.stated_facts import whole_number
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5
from sdk.models import Header

LATENT_CHANNELS = 16
LATENT_FORMAT = LatentFormat(channels=LATENT_CHANNELS, scale=1.5305, shift=0.0609, rgb=SD3)
_HEAD = 64

TEXT_ENCODERS = (CLIP_L, CLIP_G, T5)
TEXT_PREFIXES = {key: f"text_encoders.{key}." for key in TEXT_ENCODERS}

_ENDS = {
    "x_embedder.proj": ("pos_embed.proj",),
    "context_embedder": ("context_embedder",),
    "t_embedder.mlp.0": ("time_text_embed.timestep_embedder.linear_1",),
    "t_embedder.mlp.2": ("time_text_embed.timestep_embedder.linear_2",),
    "y_embedder.mlp.0": ("time_text_embed.text_embedder.linear_1",),
    "y_embedder.mlp.2": ("time_text_embed.text_embedder.linear_2",),
    "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    "final_layer.linear": ("proj_out",),
}
_BLOCK = {
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn.ln_q": ("attn.norm_q",),
    "x_block.attn.ln_k": ("attn.norm_k",),
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block.attn2.ln_q": ("attn2.norm_q",),
    "x_block.attn2.ln_k": ("attn2.norm_k",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "context_block.attn.ln_q": ("attn.norm_added_q",),
    "context_block.attn.ln_k": ("attn.norm_added_k",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
}
_ORIGINAL = {
    "block": "joint_blocks.{}.context_block.attn.qkv.weight",
    "dual": "joint_blocks.{}.x_block.attn2.qkv.weight",
    "norm": "joint_blocks.0.x_block.attn.ln_q.weight",
    "norm bias": "joint_blocks.0.x_block.attn.ln_q.bias",
    "patch": "x_embedder.proj.weight",
    "positions": "pos_embed",
    "context": "context_embedder.weight",
    "pooled": "y_embedder.mlp.0.weight",
    "output": "final_layer.linear.weight",
}
_DIFFUSERS = {
    "block": "transformer_blocks.{}.attn.add_q_proj.weight",
    "dual": "transformer_blocks.{}.attn2.to_q.weight",
    "norm": "transformer_blocks.0.attn.norm_q.weight",
    "norm bias": "transformer_blocks.0.attn.norm_q.bias",
    "patch": "pos_embed.proj.weight",
    "positions": "pos_embed.pos_embed",
    "context": "context_embedder.weight",
    "pooled": "time_text_embed.text_embedder.linear_1.weight",
    "output": "proj_out.weight",
}

MARKS = tuple(names["block"].format(0) for names in (_ORIGINAL, _DIFFUSERS))
"""Names of which every Stable Diffusion 3 transformer has one."""


@dataclass(frozen=True, kw_only=True)
class Sd3Config:
    """Everything that decides a Stable Diffusion 3 transformer's shape.

    Attributes:
        patch: latent cells for one token, along each side.
        positions: tokens along each side of the largest image that positions are stored for.
        normed_heads: queries and keys go through a root-mean-square norm.
        dual_blocks: blocks in which image tokens have a second attention of their own.
        original_layout: the file has the original's names, and its order in the last modulations.
    """

    hidden: int
    heads: int
    blocks: int
    patch: int
    in_channels: int
    context_channels: int
    pooled_channels: int
    positions: int
    normed_heads: bool
    dual_blocks: Sequence[int]
    original_layout: bool

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``Sd3Config(**fields)`` takes them."""
        return {**asdict(self), "dual_blocks": list(self.dual_blocks)}


def positions_key(*, original_layout: bool) -> str:
    """What a file calls its table of positions."""
    return (_ORIGINAL if original_layout else _DIFFUSERS)["positions"]


def layer_table(config: Sd3Config) -> LayerTable:
    """The transformer's layers by both of their names."""
    layers = {**_ENDS, **numbered("joint_blocks", config.blocks, _BLOCK, "transformer_blocks")}
    last = f"transformer_blocks.{config.blocks - 1}.norm1_context.linear"
    return LayerTable(layers, config.hidden, frozenset({"norm_out.linear", last}))


def sd3_config(header: Header, prefix: str, facts: Mapping[str, Any]) -> Sd3Config:
    """The dimensions of the transformer whose names follow ``prefix``, in the original layout or diffusers'.

    Raises:
        LayoutError: it is no such transformer; the reason says why.
    """
    config = sd3_trunk(header, prefix, facts)
    names = _ORIGINAL if config.original_layout else _DIFFUSERS
    outputs, _ = matrix(header, prefix + names["output"])
    if outputs != LATENT_CHANNELS * config.patch**2 or config.in_channels < LATENT_CHANNELS:
        raise LayoutError(f"it maps {config.in_channels} channels to {outputs // config.patch**2}")
    return config


def sd3_trunk(header: Header, prefix: str, facts: Mapping[str, Any]) -> Sd3Config:
    """The dimensions of a transformer of joint blocks, whatever comes after its blocks.

    Raises:
        LayoutError: it is no such transformer; the reason says why.
    """
    original = prefix + _ORIGINAL["block"].format(0) in header.tensors
    names = _ORIGINAL if original else _DIFFUSERS
    if prefix + names["block"].format(0) not in header.tensors:
        raise LayoutError("it has no joint blocks of image and text tokens")
    if prefix + names["patch"] not in header.tensors:
        raise LayoutError("its image tokens don't come from a convolution over patches")
    hidden, in_channels, patch = patches_of(header, prefix + names["patch"])
    if prefix + names["norm bias"] in header.tensors:
        raise LayoutError("its queries go through a layer norm with a bias")
    normed = header.shape(prefix + names["norm"])
    heads = whole_number(facts, "mmdit.heads") or hidden // (normed[0] if normed else _HEAD)
    if not heads or hidden % heads:
        raise LayoutError(f"{hidden} channels don't make heads of {normed[0] if normed else _HEAD}")
    blocks = count_blocks(header.shape, prefix + names["block"])
    return Sd3Config(
        hidden=hidden,
        heads=heads,
        blocks=blocks,
        patch=patch,
        in_channels=in_channels,
        context_channels=matrix(header, prefix + names["context"])[1],
        pooled_channels=matrix(header, prefix + names["pooled"])[1],
        positions=_positions(header, prefix + names["positions"], hidden),
        normed_heads=normed is not None,
        dual_blocks=[number for number in range(blocks) if prefix + names["dual"].format(number) in header.tensors],
        original_layout=original,
    )


def patches_of(header: Header, key: str) -> tuple[int, int, int]:
    """(channels out, channels in, cells along a side) of a convolution over square patches.

    Raises:
        LayoutError: the tensor is missing or of another shape.
    """
    shape = header.shape(key) or ()
    if len(shape) != 4 or shape[2] != shape[3] or min(shape) < 1:
        raise LayoutError(f"{key} has shape {list(shape)}")
    return shape[0], shape[1], shape[2]


def _positions(header: Header, key: str, hidden: int) -> int:
    shape = header.shape(key) or ()
    if len(shape) != 3 or shape[0] != 1 or shape[2] != hidden or math.isqrt(shape[1]) ** 2 != shape[1]:
        raise LayoutError(f"{key} has shape {list(shape)}" if shape else f"it has no {key}")
    return math.isqrt(shape[1])
