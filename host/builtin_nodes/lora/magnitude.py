"""DoRA: direction and magnitude of a weight changed apart (Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank
Adaptation", eq. 5).

With W the original weight, D a change of any kind and m the new magnitudes,

    ``W' = W + strength * (m * (W + D) / (norm + eps) - W)``.

For magnitudes [out, 1, …], norm is that of each of W's output rows; for magnitudes [1, in, …], that of each input
column of W + D. eps is the machine epsilon of float32. So do programs that apply ``dora_scale``, though LyCORIS trains
with the norms of W + D for either. PEFT's ``lora_magnitude_vector`` [out] goes by the paper: norm is that of each row
of W + D, without eps.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import Change, widened
from host.builtin_nodes.lora.errors import DeltaMisfit
from host.builtin_nodes.lora.layers import Layer
from sdk.models import Delta

_EPSILON = torch.finfo(torch.float32).eps
_PEFT_ROLES = (
    "peft_magnitude",
    "peft_magnitude_weight",
    "peft_magnitude_default",
    "named_magnitude",
    "named_magnitude_weight",
)


@dataclass(frozen=True, eq=False)
class WeightDecomposed:
    """A change of direction, and the magnitudes of the result by output row or by input column."""

    direction: Change
    magnitude: Tensor

    @property
    def rows_together(self) -> int:
        """A column's norm is that of all its rows."""
        return 0 if self.magnitude.ndim > 1 and self.magnitude.shape[0] == 1 < self.magnitude.numel() else 1

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises what ``Change.difference`` does, also for magnitudes of another size."""
        magnitude, kept = self._aligned(original)
        changed = original + self.direction.difference(original)
        norm = _norm(original if kept == 0 else changed, kept)
        target = changed.mul_(magnitude / (norm + _EPSILON))
        return torch.add(weight, target.sub_(original), alpha=strength)

    def _aligned(self, weight: Tensor) -> tuple[Tensor, int]:
        """The magnitudes with as many dimensions as the weight, and the dimension they run along."""
        for dimension, length in enumerate(weight.shape[:2]):
            if self.magnitude.shape[dimension : dimension + 1] == (length,) and self.magnitude.numel() == length:
                shape = [1] * weight.ndim
                shape[dimension] = length
                return widened(self.magnitude, weight).reshape(shape), dimension
        raise DeltaMisfit(self.magnitude.shape, weight.shape)


@dataclass(frozen=True, eq=False)
class RowDecomposed:
    """A change of direction, and the magnitude of each of the result's output rows, as PEFT has them."""

    direction: Change
    magnitude: Tensor

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises what ``Change.difference`` does, also for magnitudes of another size."""
        if self.magnitude.numel() != original.shape[0]:
            raise DeltaMisfit(self.magnitude.shape, original.shape)
        changed = original + self.direction.difference(original)
        magnitude = widened(self.magnitude, weight).reshape(-1, *[1] * (weight.ndim - 1))
        target = changed.mul_(magnitude / _norm(changed, 0))
        return torch.add(weight, target.sub_(original), alpha=strength)


def with_magnitude(change: Change, layer: Layer) -> Delta:
    """The change itself, or with the layer's magnitudes where the file has them."""
    magnitude = layer.get("magnitude")
    if magnitude is not None:
        return WeightDecomposed(change, magnitude)
    rows = next((found for role in _PEFT_ROLES if (found := layer.get(role)) is not None), None)
    return change if rows is None else RowDecomposed(change, rows)


def _norm(weight: Tensor, kept: int) -> Tensor:
    others = [dimension for dimension in range(weight.ndim) if dimension != kept]
    norm: Tensor = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    return norm
