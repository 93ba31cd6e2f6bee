"""Makes a UNet follow a node's patches for one evaluation."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention

from host.builtin_nodes.families.ldm_unet.blocks import blockwise_forward, input_blocks, middle_blocks, output_blocks
from host.builtin_nodes.sampling.patches import (
    NO_PATCHES,
    AroundAttention,
    Attend,
    NetworkPatches,
    PatchCall,
    PatchedCall,
    ReplacedAttention,
)

_FOLLOWED = frozenset(item.name for item in fields(NetworkPatches)) - {"skipped"}


@dataclass(frozen=True, eq=False)
class AttentionLayer:
    """One layer of a transformer block: where it is, what it is called, and the module."""

    place: tuple[str, int, int]
    name: str
    module: Any


@contextmanager
def patched(unet: Module, patches: PatchedCall | None, *, inside: Sequence[Tensor | None] = ()) -> Iterator[None]:
    """The UNet as the patches want it; afterwards it is as it was.

    Args:
        inside: what is added to the outputs of the input blocks, from the first on.

    Raises:
        UnsupportedPatches: they are about blocks that only transformers have.
    """
    if patches is None and not inside:
        yield
        return
    patches = patches or PatchedCall(patches=NO_PATCHES, call=PatchCall(sigma=0.0, shape=(), sides=()))
    patches.require("a UNet of latent diffusion", _FOLLOWED)
    before: list[tuple[Any, Any]] = []
    try:
        for layer, processor in _replacements(unet, patches):
            before.append((layer, layer.processor))
            layer.processor = processor
        if patches.patches.at_blocks or inside:
            unet.forward = blockwise_forward(unet, patches, inside)
        yield
    finally:
        unet.__dict__.pop("forward", None)
        for layer, processor in before:
            layer.processor = processor


def _replacements(unet: Any, patched: PatchedCall) -> Iterator[tuple[Any, _Replacement]]:
    """The attention layers that patches are about, each with the processor that follows them."""
    patches = patched.patches
    for layers, wanted, around in (
        (self_attentions, patches.self_attention, patches.around_self),
        (cross_attentions, patches.cross_attention, patches.around_cross),
    ):
        for layer in layers(unet) if wanted or around else ():
            function = wanted.get(layer.place) or wanted.get(layer.place[:2]) or wanted.get(layer.name)
            if function or around:
                yield layer.module, _Replacement(function, around, _call(layer, patched.call))


def _call(layer: AttentionLayer, call: PatchCall) -> PatchCall:
    return replace(call, heads=layer.module.heads, place=layer.place, name=layer.name)


def self_attentions(unet: Any) -> Iterator[AttentionLayer]:
    """Every self-attention of diffusers' module, at ``(block, its index, depth in it)``."""
    return _attentions(unet, "attn1")


def cross_attentions(unet: Any) -> Iterator[AttentionLayer]:
    """Every cross-attention of diffusers' module, at ``(block, its index, depth in it)``."""
    return _attentions(unet, "attn2")


def _attentions(unet: Any, kind: str) -> Iterator[AttentionLayer]:
    for blocks in (input_blocks, middle_blocks, output_blocks):
        for block in blocks(unet):
            name = block.name.replace(".resnets.", ".attentions.")
            for depth, layer in enumerate(getattr(block.transformer, "transformer_blocks", ())):
                side, index = block.place
                place = (str(side), int(index), depth)
                yield AttentionLayer(place, f"{name}.transformer_blocks.{depth}.{kind}", getattr(layer, kind))


@dataclass(frozen=True, eq=False)
class _Replacement:
    """A diffusers attention processor that leaves the projections as they are."""

    function: ReplacedAttention | None
    around: Sequence[AroundAttention]
    call: PatchCall

    def __call__(
        self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **options: Any
    ) -> Tensor:
        attend: Attend = partial(self._attend, attention)
        for wrapper in reversed(self.around):
            attend = _around(wrapper, attend, self.call)
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        return attend(hidden_states, seen, seen)

    def _attend(self, attention: Any, query_from: Tensor, key_from: Tensor, value_from: Tensor) -> Tensor:
        query, key, value = attention.to_q(query_from), attention.to_k(key_from), attention.to_v(value_from)
        function = self.function or plain_attention
        output = function(query, key, value, self.call)
        for layer in attention.to_out:
            output = layer(output)
        return output


def _around(wrapper: AroundAttention, attend: Attend, call: PatchCall) -> Attend:
    return lambda query, key, value: wrapper(attend, query, key, value, call)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
    """Scaled dot-product attention in ``call.heads`` heads; all [batch, token, width]."""
    q, k, v = (tensor.reshape(*tensor.shape[:2], call.heads, -1).transpose(1, 2) for tensor in (query, key, value))
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
