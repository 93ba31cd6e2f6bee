"""Further input channels that a LoRA gives a Flux transformer, as those for depths and outlines do.

Such a file's change of the first layer has more columns than the layer: those of an image beside the latent, for which
the model's own weight counts as zero. A change with fewer columns, made for the model without an image beside the
latent, leaves those of the image as they are.
"""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import linear

from host.builtin_nodes.families.flux.config import PATCH
from host.builtin_nodes.lora.low_rank import LowRank
from sdk import PatchSet

_FIRST = "x_embedder"
_WEIGHT = f"{_FIRST}.weight"


class WidenedLayer(Module):
    """A linear layer, and columns for inputs beyond its own."""

    def __init__(self, layer: Any, columns: Tensor) -> None:
        super().__init__()
        self.layer, self.columns = layer, columns

    def forward(self, x: Tensor) -> Tensor:
        """[batch, token, outputs] of x [batch, token, inputs], which are the layer's own and then the further ones."""
        own: Tensor = self.layer(x[..., : self.layer.in_features])
        return own + linear(x[..., self.layer.in_features :], self.columns.to(x))


def cut_to_width(patches: PatchSet, strength: float, channels: int) -> tuple[PatchSet, Tensor | None]:
    """(the patches as they fit the first layer, what they have beyond it times the strength).

    Args:
        patches: of a Flux transformer.
        channels: of the latent and what goes beside it, that the layer takes.

    The columns are [outputs, further inputs]; None where there are none.
    """
    change, inputs = patches.deltas.get(_WEIGHT), channels * PATCH**2
    if not isinstance(change, LowRank) or change.down.ndim != 2 or change.down.shape[1] == inputs:
        return patches, None
    further, down = None, torch.nn.functional.pad(change.down.float(), (0, inputs - change.down.shape[1]))
    if change.down.shape[1] > inputs:
        further = change.up.float() @ change.down[:, inputs:].float() * (change.scale * strength)
    return replace(patches, deltas={**patches.deltas, _WEIGHT: replace(change, down=down)}), further


@contextmanager
def widened(module: Module, columns: Tensor | None) -> Iterator[None]:
    """The transformer with further columns in its first layer; afterwards it is as it was."""
    if columns is None:
        yield
        return
    network: Any = module
    layer = network.x_embedder
    network.x_embedder = WidenedLayer(layer, columns)
    try:
        yield
    finally:
        network.x_embedder = layer


def summed(one: Tensor | None, other: Tensor) -> Tensor:
    """Both columns; what one has beyond the other counts."""
    if one is None:
        return other
    wide, narrow = (one, other) if one.shape[1] >= other.shape[1] else (other, one)
    return wide + torch.nn.functional.pad(narrow, (0, wide.shape[1] - narrow.shape[1]))
