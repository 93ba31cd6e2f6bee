"""LoKr: the Kronecker product of two small matrices (Yeh et al. 2023, LyCORIS, section 3.3).

``difference = scale * kron(w1, w2)``, with ``w1`` [a, b] and ``w2`` [out / a, in / b], for convolutions followed by the
kernel. Each factor is stored whole, or as a product of low rank ``wa @ wb``; ``w2`` also as a Tucker decomposition
with the core ``t2`` [r, r, height, width], ``w2a`` [r, out / a] and ``w2b`` [r, in / b]. ``scale`` is alpha by the
rank of ``w2`` where that is decomposed, else by the rank of ``w1``; of two whole factors, 1 whatever alpha says.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import Change, fitted, widened
from host.builtin_nodes.lora.hadamard import LowRankProduct
from host.builtin_nodes.lora.layers import Found, Layer, Names, read_layers
from host.builtin_nodes.lora.magnitude import with_magnitude
from sdk.models import Delta

SUFFIXES = {
    "w1": ".lokr_w1",
    "w1_a": ".lokr_w1_a",
    "w1_b": ".lokr_w1_b",
    "w2": ".lokr_w2",
    "w2_a": ".lokr_w2_a",
    "w2_b": ".lokr_w2_b",
    "t2": ".lokr_t2",
}

Factor = Tensor | LowRankProduct


@dataclass(frozen=True, eq=False)
class KroneckerProduct(Change):
    """``scale * kron(outer, inner)``: ``outer`` says with what each copy of ``inner`` is multiplied."""

    outer: Factor
    inner: Factor
    scale: float = 1.0

    def difference(self, weight: Tensor) -> Tensor:
        outer, inner = _matrix(self.outer, weight), _matrix(self.inner, weight)
        # kron lines up dimensions from the last one on, but the kernel is the inner factor's alone.
        outer = outer.reshape(*outer.shape, *[1] * (inner.ndim - outer.ndim))
        return fitted(torch.kron(outer, inner.contiguous()).mul_(self.scale), weight)


def read_kronecker(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The LoKr layers of a file."""
    return read_layers(tensors, names, SUFFIXES, _layer_delta)


def _matrix(factor: Factor, weight: Tensor) -> Tensor:
    return factor.matrix(weight) if isinstance(factor, LowRankProduct) else widened(factor, weight)


def _layer_delta(layer: Layer) -> Delta | None:
    outer, inner = _factor(layer, "w1"), _factor(layer, "w2", core="t2")
    if outer is None or inner is None:
        return None
    decomposed = [factor for factor in (inner, outer) if isinstance(factor, LowRankProduct)]
    scale = layer.scale(decomposed[0].b.shape[0]) if decomposed else 1.0
    return with_magnitude(KroneckerProduct(outer, inner, scale), layer)


def _factor(layer: Layer, role: str, core: str = "") -> Factor | None:
    if layer.has(role):
        return layer.factor(role)
    if layer.has(f"{role}_a", f"{role}_b"):
        return LowRankProduct(layer.factor(f"{role}_a"), layer.factor(f"{role}_b"), layer.get(core))
    return None
