"""GLoRA: a change of low rank that looks at the weight (Chavan et al. 2023, "One-for-All: Generalized LoRA", eq. 9).

``difference = alpha / r * (W A + B)`` with A and B products of two factors each. Files have ``A = a1 @ a2`` and
``B = b1 @ b2`` with ``a1`` [in, r], ``a2`` [r, in], ``b1`` [out, r] and ``b2`` [r, in * height * width]; in older ones
(LyCORIS before version 2) the factors stand the other way round: ``A = a2 @ a1`` and ``B = b2 @ b1``.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import Change, fitted, widened
from host.builtin_nodes.lora.layers import Found, Layer, Names, read_layers
from host.builtin_nodes.lora.magnitude import with_magnitude
from sdk.models import Delta

SUFFIXES = {"a1": ".a1.weight", "a2": ".a2.weight", "b1": ".b1.weight", "b2": ".b2.weight"}


@dataclass(frozen=True, eq=False)
class GeneralisedLowRank(Change):
    """``scale * (W @ first @ second + third @ fourth)`` for the original weight W, unlike other changes.

    Attributes:
        flat: ``first`` takes a convolution's inputs and kernel together, as older files have it.
    """

    first: Tensor
    second: Tensor
    third: Tensor
    fourth: Tensor
    flat: bool
    scale: float = 1.0

    def difference(self, weight: Tensor) -> Tensor:
        """See ``Change``; ``weight`` is the original, in float32."""
        first, second, third, fourth = (
            widened(factor, weight).flatten(1) for factor in (self.first, self.second, self.third, self.fourth)
        )
        if self.flat:
            seen = (weight.flatten(1) @ first @ second).reshape(weight.shape)
        else:
            seen = torch.einsum("oi...,ir,rj->oj...", weight, first, second)
        return (seen + fitted(third @ fourth, weight)) * self.scale


def read_generalised(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The GLoRA layers of a file."""
    return read_layers(tensors, names, SUFFIXES, _layer_delta)


def _layer_delta(layer: Layer) -> Delta | None:
    if not layer.has(*SUFFIXES):
        return None
    a1, a2, b1, b2 = (layer.factor(role) for role in SUFFIXES)
    if b1.shape[1] == b2.shape[0] == a1.shape[1] == a2.shape[0]:
        change = GeneralisedLowRank(a1, a2, b1, b2, flat=False, scale=layer.scale(a1.shape[1]))
    else:
        change = GeneralisedLowRank(a2, a1, b2, b1, flat=True, scale=layer.scale(a1.shape[0]))
    return with_magnitude(change, layer)
