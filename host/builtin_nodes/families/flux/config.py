"""Dimensions of a Flux transformer, read off a header in either layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.layers import LayerTable, count_blocks, matrix, numbered
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.rgb_factors import FLUX
from host.builtin_nodes.families.stated_facts import whole_number, whole_numbers
from host.builtin_nodes.families.text_encoders.encoders import CLIP_L, T5
from sdk.models import Header

PATCH = 2
LATENT_CHANNELS = 16
LATENT_FORMAT = LatentFormat(channels=LATENT_CHANNELS, scale=0.3611, shift=0.1159, rgb=FLUX)
# Shares of a head's channels that turn with the token's number, row and column: 16, 56 and 56 of 128.
_ROTARY_SHARES = (8, 28, 28)

TEXT_ENCODERS = (CLIP_L, T5)
TEXT_PREFIXES = {key: f"text_encoders.{key}." for key in TEXT_ENCODERS}

_ENDS = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "time_in.in_layer": ("time_text_embed.timestep_embedder.linear_1",),
    "time_in.out_layer": ("time_text_embed.timestep_embedder.linear_2",),
    "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
    "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
    "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    "final_layer.linear": ("proj_out",),
}
_GUIDANCE = {
    "guidance_in.in_layer": ("time_text_embed.guidance_embedder.linear_1",),
    "guidance_in.out_layer": ("time_text_embed.guidance_embedder.linear_2",),
}
_DOUBLE = {
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.norm.query_norm": ("attn.norm_q",),
    "img_attn.norm.key_norm": ("attn.norm_k",),
    "txt_attn.norm.query_norm": ("attn.norm_added_q",),
    "txt_attn.norm.key_norm": ("attn.norm_added_k",),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
}
_SINGLE = {
    "modulation.lin": ("norm.linear",),
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "norm.query_norm": ("attn.norm_q",),
    "norm.key_norm": ("attn.norm_k",),
}


@dataclass(frozen=True, kw_only=True)
class FluxConfig:
    """Everything that decides a Flux transformer's shape.

    Attributes:
        in_channels: channels of latent and further inputs together, before they are cut into patches.
        guidance: whether the strength of guidance is one of its inputs.
        rotary: channels of a head that turn with each of a token's three positions.
        original_layout: the file has the original's names, and its order in the last modulation.
    """

    hidden: int
    heads: int
    double_blocks: int
    single_blocks: int
    context_channels: int
    pooled_channels: int
    in_channels: int
    guidance: bool
    rotary: Sequence[int]
    original_layout: bool

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``FluxConfig(**fields)`` takes them."""
        return {**asdict(self), "rotary": list(self.rotary)}


def layer_table(config: FluxConfig) -> LayerTable:
    """The transformer's layers by both of their names."""
    layers = {
        **_ENDS,
        **(_GUIDANCE if config.guidance else {}),
        **numbered("double_blocks", config.double_blocks, _DOUBLE, "transformer_blocks"),
        **numbered("single_blocks", config.single_blocks, _SINGLE, "single_transformer_blocks"),
    }
    return LayerTable(layers, config.hidden, frozenset({"norm_out.linear"}))


def flux_config(header: Header, prefix: str, facts: Mapping[str, Any]) -> FluxConfig:
    """The dimensions of the transformer whose names follow ``prefix``, in the original layout or diffusers'.

    Raises:
        LayoutError: it is no Flux transformer; the reason says why.
    """
    config = flux_trunk(header, prefix, facts)
    if not config.single_blocks:
        raise LayoutError("it has no single blocks")
    outputs, _ = matrix(header, prefix + _names(original=config.original_layout)["output"])
    if outputs != LATENT_CHANNELS * PATCH**2:
        raise LayoutError(f"its tokens have {outputs} numbers coming out")
    return config


def flux_trunk(header: Header, prefix: str, facts: Mapping[str, Any]) -> FluxConfig:
    """The dimensions of a transformer of double and single blocks, whatever comes after its blocks.

    Raises:
        LayoutError: it is no such transformer; the reason says why.
    """
    original = f"{prefix}double_blocks.0.img_attn.qkv.weight" in header.tensors
    names = _names(original=original)
    if f"{prefix}{names['double'].format(0)}" not in header.tensors:
        raise LayoutError("it has no double blocks of image and text tokens")
    hidden, pooled = matrix(header, prefix + names["vector"])
    _, patched = matrix(header, prefix + names["image"])
    if patched % PATCH**2:
        raise LayoutError(f"its tokens have {patched} numbers going in")
    head = (header.shape(prefix + names["norm"]) or (0,))[0]
    if not head or hidden % head or (head % sum(_ROTARY_SHARES) and "flux.rotary" not in facts):
        raise LayoutError(f"{hidden} channels don't make heads of {head}")
    shared = [head * share // sum(_ROTARY_SHARES) for share in _ROTARY_SHARES]
    return FluxConfig(
        hidden=hidden,
        heads=whole_number(facts, "flux.heads") or hidden // head,
        double_blocks=count_blocks(header.shape, prefix + names["double"]),
        single_blocks=count_blocks(header.shape, prefix + names["single"]),
        context_channels=matrix(header, prefix + names["text"])[1],
        pooled_channels=pooled,
        in_channels=patched // PATCH**2,
        guidance=prefix + names["guidance"] in header.tensors,
        rotary=whole_numbers(facts, "flux.rotary") or shared,
        original_layout=original,
    )


def _names(*, original: bool) -> Mapping[str, str]:
    return _ORIGINAL if original else _DIFFUSERS


_ORIGINAL = {
    "double": "double_blocks.{}.img_attn.qkv.weight",
    "single": "single_blocks.{}.linear1.weight",
    "vector": "vector_in.in_layer.weight",
    "image": "img_in.weight",
    "text": "txt_in.weight",
    "output": "final_layer.linear.weight",
    "norm": "double_blocks.0.img_attn.norm.query_norm.scale",
    "guidance": "guidance_in.in_layer.weight",
}
_DIFFUSERS = {
    "double": "transformer_blocks.{}.attn.add_q_proj.weight",
    "single": "single_transformer_blocks.{}.proj_mlp.weight",
    "vector": "time_text_embed.text_embedder.linear_1.weight",
    "image": "x_embedder.weight",
    "text": "context_embedder.weight",
    "output": "proj_out.weight",
    "norm": "transformer_blocks.0.attn.norm_q.weight",
    "guidance": "time_text_embed.guidance_embedder.linear_1.weight",
}

MARKS = tuple(names["double"].format(0) for names in (_ORIGINAL, _DIFFUSERS))
"""Names of which every Flux transformer has one."""
