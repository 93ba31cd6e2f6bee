"""Replaces self-attention inside a UNet for one evaluation, by the places its original code counts."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.sampling.rules import PatchCall, PatchedCall, SelfAttention


@contextmanager
def patched(unet: Module, patches: PatchedCall | None) -> Iterator[None]:
    """The UNet with its self-attention replaced where the patches say so; afterwards it is as it was."""
    before: list[tuple[Any, Any]] = []
    try:
        if patches is not None:
            for place, attention in self_attentions(unet):
                wanted = patches.patches.self_attention
                if function := wanted.get(place) or wanted.get(place[:2]):
                    before.append((attention, attention.processor))
                    call = replace(patches.call, heads=attention.heads)
                    attention.processor = _Replacement(function, call)
        yield
    finally:
        for attention, processor in before:
            attention.processor = processor


def self_attentions(unet: Any) -> Iterator[tuple[tuple[str, int, int], Any]]:
    """(block, its index, depth in it) of every self-attention, with diffusers' module.

    The convolution of the input is input block 0; each residual block and each downsampling counts as one block.
    """
    index = 1
    for block in unet.down_blocks:
        yield from _in_block(block, "input", index)
        index += len(block.resnets) + len(block.downsamplers or ())
    for transformer in unet.mid_block.attentions:
        yield from _in_transformer(transformer, "middle", 0)
    index = 0
    for block in unet.up_blocks:
        yield from _in_block(block, "output", index)
        index += len(block.resnets)


def _in_block(block: Any, kind: str, first: int) -> Iterator[tuple[tuple[str, int, int], Any]]:
    for offset, transformer in enumerate(getattr(block, "attentions", None) or ()):
        yield from _in_transformer(transformer, kind, first + offset)


def _in_transformer(transformer: Any, kind: str, index: int) -> Iterator[tuple[tuple[str, int, int], Any]]:
    for depth, layer in enumerate(transformer.transformer_blocks):
        yield (kind, index, depth), layer.attn1


@dataclass(frozen=True, eq=False)
class _Replacement:
    """A diffusers attention processor that leaves the projections as they are."""

    function: SelfAttention
    call: PatchCall

    def __call__(self, attention: Any, hidden_states: Tensor, *ignored: Any, **options: Any) -> Tensor:
        query, key, value = (project(hidden_states) for project in (attention.to_q, attention.to_k, attention.to_v))
        output = self.function(query, key, value, self.call)
        for layer in attention.to_out:
            output = layer(output)
        return output
