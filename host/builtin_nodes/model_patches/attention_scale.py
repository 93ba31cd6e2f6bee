"""Attention layers whose weights are multiplied, as patches of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdk import Delta, ModelHandle, PatchSet

if TYPE_CHECKING:
    from torch import Tensor

    from sdk import NodeContext

_TEMPORAL = (".time_stack.", ".temporal_transformer_blocks.")


@dataclass(frozen=True)
class Multiplied:
    """The weight, with the patches so far, times ``factor``."""

    factor: float

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight * (1.0 + strength * (self.factor - 1.0))


def by_projection(layer: str, projections: Mapping[str, float]) -> Callable[[str], float]:
    """What a weight is multiplied by: ``projections`` has factors by name (``to_q``) within ``layer`` (``attn1``)."""
    factors = {f"{layer}.{name}.{kind}": factor for name, factor in projections.items() for kind in ("weight", "bias")}

    def factor(weight: str) -> float:
        return next((found for ending, found in factors.items() if weight.endswith(ending)), 1.0)

    return factor


def by_dimension(layer: str, structural: float, temporal: float) -> Callable[[str], float]:
    """What an output projection of ``layer`` is multiplied by: within a frame, and over time."""
    output = by_projection(layer, {"to_out.0": 0.0})

    def factor(weight: str) -> float:
        if output(weight) == 1.0:
            return 1.0
        return temporal if any(part in weight for part in _TEMPORAL) else structural

    return factor


def multiplied(handle: ModelHandle, context: NodeContext, rules: Iterable[Callable[[str], float]]) -> ModelHandle:
    """The model with its weights multiplied by what each rule says of their names; unchanged if by 1 alone."""
    with context.models.borrow(handle) as module:
        names = [name for name, _ in module.named_parameters()]
    deltas: dict[str, Delta] = {}
    for rule in rules:
        deltas |= {name: Multiplied(factor) for name in names if (factor := rule(name)) != 1.0}
    if not deltas:
        return handle
    said = ",".join(f"{name}*{delta!r}" for name, delta in sorted(deltas.items()))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return handle.with_patches(PatchSet(key=f"multiplied:{digest}", deltas=deltas), 1.0)
