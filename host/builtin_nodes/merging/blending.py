"""Merging as patches: weights are computed when the merged model is first used, and undone exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from host.builtin_nodes.lora.errors import first_of
from host.builtin_nodes.merging.errors import NothingInCommon
from sdk import Delta, ModelHandle, NodeContext, PartWeights, PatchSet

if TYPE_CHECKING:
    from torch import Tensor


class Share(NamedTuple):
    """How much of each model a weight gets: ``own * W1 + other * W2``."""

    own: float
    other: float


@dataclass(frozen=True, eq=False)
class Blend:
    """A weight as the sum of two models'; see ``sdk.models.Delta``. Patches added before are part of the first one."""

    share: Share
    weights: PartWeights
    name: str

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        import torch

        other = self.weights[self.name].to(weight)
        blended = torch.add(weight * self.share.own, other, alpha=self.share.other)
        return blended if strength == 1.0 else torch.lerp(weight, blended, strength)


def merged(one: ModelHandle, other: ModelHandle, shares: Callable[[str], Share], context: NodeContext) -> ModelHandle:
    """The first model with the shares of both that ``shares`` gives for each weight's name.

    A weight that the other model lacks, or has in another shape, stays as it is; the user is told of it.

    Raises:
        NothingInCommon: that would be all of them.
    """
    weights = context.models.weights(other)
    own_shapes, shapes = context.models.weights(one).shapes, weights.shapes
    alike = [name for name, shape in own_shapes.items() if shapes.get(name) == shape]
    if not alike:
        raise NothingInCommon(one.identity.family, other.identity.family)
    _tell([name for name in own_shapes if shapes.get(name) != own_shapes[name]], context)
    chosen = {name: shares(name) for name in alike}
    deltas: dict[str, Delta] = {
        name: Blend(share, weights, name) for name, share in chosen.items() if share != Share(1.0, 0.0)
    }
    return one.with_patches(PatchSet(key=_key(other, chosen), deltas=deltas), 1.0) if deltas else one


def _key(other: ModelHandle, shares: Mapping[str, Share]) -> str:
    """Identifies the content: equal merges share their weights."""
    content: tuple[Any, ...] = (other.key, other.patch_key, tuple(shares.items()))
    return f"merge:{hashlib.sha256(repr(content).encode()).hexdigest()[:32]}"


def _tell(skipped: list[str], context: NodeContext) -> None:
    if skipped:
        message = f"{len(skipped)} weights are not merged, as the other model lacks or shapes them otherwise: "
        message += first_of(skipped)
        context.logger.warning("%s", message)
        context.text(message)
