"""OFT and BOFT: weights turned by orthogonal matrices (Qiu et al. 2023; Liu et al. 2024, "Parameter-Efficient
Orthogonal Finetuning via Butterfly Factorization").

A block B of numbers stands for the rotation ``R = (I + Q) (I - Q)^-1`` with ``Q = B - B^T`` (Cayley 1846). Where Q's
norm is beyond the constraint, Q is shortened to it: alpha times the number of outputs in files of kohya's trainer
(``oft_unet_…``), in others alpha alone, as programs that apply such files agree, though LyCORIS itself trains with the
former. OFT turns neighbouring outputs, ``W' = R^T W`` block by block. BOFT does so several times, with outputs ever
further apart brought together. Strength s takes ``s R + (1 - s) I`` for R. ``.rescale`` multiplies each output
afterwards.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import widened
from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.layers import Found, Layer, Names, read_layers
from sdk.models import Delta

SUFFIXES = {"blocks": ".oft_blocks", "rescale": ".rescale"}
_EPSILON = 1e-8
_OFT, _BOFT = 3, 4
_KOHYA = "oft_unet_"


@dataclass(frozen=True, eq=False)
class Rotation:
    """Turns a weight's outputs.

    Attributes:
        blocks: [stage, block, size, size].
        constraint: the longest Q may be; 0 for any length.
        rescale: a factor for each output, or None.
        transposed: blocks act as R^T, as in OFT, instead of as R, as in BOFT.
    """

    blocks: Tensor
    constraint: float
    rescale: Tensor | None
    transposed: bool

    @property
    def rows_together(self) -> int:
        """How many neighbouring outputs are mixed; 0 for all."""
        return int(self.blocks.shape[-1]) if len(self.blocks) == 1 else 0

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises DeltaMisfit where the blocks don't make up the weight's outputs."""
        _, count, size, _ = self.blocks.shape
        if count * size != original.shape[0]:
            raise DeltaMisfit(self.blocks.shape, original.shape)
        turned = original.flatten(1)
        for stage, rotation in enumerate(self._rotations(original, strength)):
            turned = _turned(turned, rotation, stage if len(self.blocks) > 1 else None)
        if self.rescale is not None:
            factor = widened(self.rescale, weight).reshape(-1, 1)
            turned = turned * (1 + strength * (factor - 1))
        return weight + (turned.reshape(original.shape) - original)

    def _rotations(self, weight: Tensor, strength: float) -> Tensor:
        blocks = widened(self.blocks, weight)
        skew = blocks - blocks.mT
        length = torch.linalg.vector_norm(skew) + _EPSILON
        if 0 < self.constraint < length:
            skew = skew * (self.constraint / length)
        identity = torch.eye(blocks.shape[-1], device=weight.device)
        rotation = torch.linalg.solve(identity - skew, identity + skew, left=False)
        mixed: Tensor = strength * rotation + (1 - strength) * identity
        return mixed.transpose(-1, -2) if self.transposed else mixed


def _turned(rows: Tensor, rotation: Tensor, stage: int | None) -> Tensor:
    """``rotation`` [block, size, size] times rows [outputs, inputs], neighbours or, at a stage, a butterfly's pairs."""
    count, size, _ = rotation.shape
    if stage is None:
        return torch.bmm(rotation, rows.reshape(count, size, -1)).reshape(rows.shape)
    apart = 2**stage * (size // 2)
    together = rows.reshape(-1, 2, apart, rows.shape[1]).transpose(1, 2).reshape(count, size, -1)
    done = torch.bmm(rotation, together).reshape(-1, apart, 2, rows.shape[1])
    return done.transpose(1, 2).reshape(rows.shape)


def read_orthogonal(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The OFT and BOFT layers of a file."""
    return read_layers(tensors, names, SUFFIXES, _layer_delta)


def _layer_delta(layer: Layer) -> Delta | None:
    blocks = layer.get("blocks")
    if blocks is None:
        return None
    if blocks.ndim not in (_OFT, _BOFT) or blocks.shape[-1] != blocks.shape[-2]:
        raise MalformedLayer(layer.stem, f"its blocks have shape {list(blocks.shape)}")
    constraint = layer.scale(1) if layer.has("alpha") else 0.0
    if layer.stem.startswith(_KOHYA):
        constraint *= blocks.shape[-3] * blocks.shape[-1]
    stages = blocks if blocks.ndim == _BOFT else blocks[None]
    return Rotation(stages, constraint, layer.get("rescale"), blocks.ndim == _OFT)
