"""LoHa: the elementwise product of two changes of low rank (Yeh et al. 2023, LyCORIS, section 3.2).

``difference = alpha / r * (w1a @ w1b) * (w2a @ w2b)``, with ``wa`` [out, r] and ``wb`` [r, in * height * width]: the
product has rank r^2. For convolutions each of the two may be a Tucker decomposition instead, with a core ``t``
[r, r, height, width], ``wa`` [r, out] and ``wb`` [r, in].
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.lora.change import Change, fitted, tucker, widened
from host.builtin_nodes.lora.layers import Found, Layer, Names, read_layers
from host.builtin_nodes.lora.magnitude import with_magnitude
from sdk.models import Delta

SUFFIXES = {
    "w1_a": ".hada_w1_a",
    "w1_b": ".hada_w1_b",
    "w2_a": ".hada_w2_a",
    "w2_b": ".hada_w2_b",
    "t1": ".hada_t1",
    "t2": ".hada_t2",
}


@dataclass(frozen=True, eq=False)
class LowRankProduct:
    """``a @ b``, or the Tucker decomposition of ``core`` with both."""

    a: Tensor
    b: Tensor
    core: Tensor | None = None

    def matrix(self, weight: Tensor) -> Tensor:
        """The product in float32, on the weight's device."""
        a, b = widened(self.a, weight), widened(self.b, weight)
        return a @ b if self.core is None else tucker(widened(self.core, weight), a, b)


@dataclass(frozen=True, eq=False)
class HadamardProduct(Change):
    """``scale * first * second``, elementwise."""

    first: LowRankProduct
    second: LowRankProduct
    scale: float = 1.0

    def difference(self, weight: Tensor) -> Tensor:
        product = self.first.matrix(weight) * self.second.matrix(weight)
        return fitted(product.mul_(self.scale), weight)


def read_hadamard(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The LoHa layers of a file."""
    return read_layers(tensors, names, SUFFIXES, _layer_delta)


def _layer_delta(layer: Layer) -> Delta | None:
    if not layer.has("w1_a", "w1_b", "w2_a", "w2_b") or layer.has("t1") != layer.has("t2"):
        return None
    first, second = (
        LowRankProduct(layer.factor(f"w{n}_a"), layer.factor(f"w{n}_b"), layer.get(f"t{n}")) for n in (1, 2)
    )
    return with_magnitude(HadamardProduct(first, second, layer.scale(first.b.shape[0])), layer)
