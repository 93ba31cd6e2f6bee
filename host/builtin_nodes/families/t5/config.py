"""Where a T5 encoder's weights are in a file, and its dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.mmdit.layers import matrix
from host.builtin_nodes.families.places import find_place
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header, TensorSource

MARKER = "encoder.block.0.layer.0.SelfAttention.q.weight"
"""A tensor that every T5 encoder has."""

VOCABULARY = "shared.weight"
_COPY = "encoder.embed_tokens.weight"
_FIRST = "encoder.block.0.layer."
_OTHER_BIAS = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"
# T5's own vocabulary has 32,100 pieces, and files round that up; others, such as umT5's, are several times larger.
_PIECES = range(32_100, 33_000)

MARKS = (MARKER, "enc.blk.0.attn_q.weight")
_GGUF_LAYER = re.compile(r"enc\.blk\.(\d{1,3})\.(\w+)\.weight")
_GGUF_ENDS = {"token_embd.weight": VOCABULARY, "enc.output_norm.weight": "encoder.final_layer_norm.weight"}
_GGUF_LAYERS = {
    "attn_q": "0.SelfAttention.q",
    "attn_k": "0.SelfAttention.k",
    "attn_v": "0.SelfAttention.v",
    "attn_o": "0.SelfAttention.o",
    "attn_rel_b": "0.SelfAttention.relative_attention_bias",
    "attn_norm": "0.layer_norm",
    "ffn_gate": "1.DenseReluDense.wi_0",
    "ffn_up": "1.DenseReluDense.wi_1",
    "ffn_down": "1.DenseReluDense.wo",
    "ffn_norm": "1.layer_norm",
}
"""What llama.cpp calls a block's layers."""


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """Everything that decides a T5 encoder's shape."""

    vocabulary: int
    width: int
    inner: int
    layers: int
    heads: int
    head: int
    buckets: int

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``T5Config(**fields)`` takes them."""
        return dict(vars(self))


def places_below(prefix: str) -> tuple[str, str]:
    """What may precede an encoder's own names, at or one level below ``prefix``."""
    return prefix + "transformer.", prefix


def find_t5(header: Header, prefix: str) -> str | None:
    """The prefix of a T5 encoder's own names, at or one level below ``prefix``; None where there is none."""
    return find_place(header, places_below(prefix), MARKS)


def t5_config(header: Header, prefix: str) -> T5Config:
    """The dimensions of the encoder whose names follow ``prefix``.

    Raises:
        LayoutError: it is no T5 v1.1, or not with its vocabulary.
    """
    names = _names(header, prefix)
    table = names.get(VOCABULARY, names.get(_COPY, prefix + VOCABULARY))
    vocabulary, width = matrix(header, table)
    gate = names.get(_FIRST + "1.DenseReluDense.wi_0.weight")
    if gate is None:
        raise LayoutError("its T5 has an MLP without gates, as the first version has")
    if vocabulary not in _PIECES:
        raise LayoutError(f"its T5 has a vocabulary of {vocabulary}, which is not T5's own")
    if _OTHER_BIAS in names:
        raise LayoutError("its T5 has a bias of positions in each layer, as umT5 has")
    rows, _ = matrix(header, names.get(MARKER, prefix + MARKER))
    bias = _FIRST + "0.SelfAttention.relative_attention_bias.weight"
    buckets, heads = matrix(header, names.get(bias, prefix + bias))
    if rows % heads:
        raise LayoutError(f"its T5 has {rows} channels for {heads} heads")
    return T5Config(
        vocabulary=vocabulary,
        width=width,
        inner=matrix(header, gate)[0],
        layers=next(n for n in count() if f"encoder.block.{n}.layer.0.SelfAttention.q.weight" not in names),
        heads=heads,
        head=rows // heads,
        buckets=buckets,
    )


def t5_sources(header: Header, prefix: str) -> dict[str, TensorSource]:
    """Where transformers' encoder finds its weights in a file that has its names after ``prefix``."""
    names = _names(header, prefix)
    copy = names.pop(_COPY, None)
    return {name: TensorSource(key) for name, key in {VOCABULARY: names.get(VOCABULARY, copy), **names}.items() if key}


def t5_copies(header: Header, prefix: str) -> frozenset[str]:
    """Keys of the encoder whose names follow ``prefix`` that hold its vocabulary once more."""
    return frozenset({prefix + _COPY} & header.tensors.keys()) if prefix + VOCABULARY in header.tensors else frozenset()


def _names(header: Header, prefix: str) -> dict[str, str]:
    """The file's key for each of the encoder's weights, which GGUF files call otherwise."""
    found: dict[str, str] = {}
    for key in header.tensors:
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name.endswith(".weight"):
            name = module_name(name)
            if name == VOCABULARY or name.startswith("encoder."):
                found[name] = key
    return found


def module_name(name: str) -> str:
    """What transformers' encoder calls a weight, which GGUF files call otherwise; the same for any other name."""
    if name in _GGUF_ENDS:
        return _GGUF_ENDS[name]
    match = _GGUF_LAYER.fullmatch(name)
    if match is None or match[2] not in _GGUF_LAYERS:
        return name
    return f"encoder.block.{match[1]}.layer.{_GGUF_LAYERS[match[2]]}.weight"


def t5_patch_names(weights: Mapping[str, TensorSource], number: int, key: str) -> dict[str, str]:
    """Further names for a T5 encoder's weights: kohya's for a model's ``number``th encoder, and paths after ``key``.

    Kohya's own trainer counts it as the third, whatever encoders the model has.
    """
    names: dict[str, str] = {}
    for weight in weights:
        layer = weight.removesuffix(".weight")
        underscored = layer.replace(".", "_")
        names |= dict.fromkeys(
            (
                f"lora_te{number}_{underscored}",
                f"lora_te3_{underscored}",
                f"text_encoder_{number}.{layer}",
                f"text_encoders.{key}.transformer.{layer}",
            ),
            weight,
        )
    return names
