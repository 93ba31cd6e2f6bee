"""Turns differences between models into files of weight changes."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sdk.models import PartWeights, PatchTarget, Stacked

_WEIGHT, _BIAS = ".weight", ".bias"


def weight_of(target: PatchTarget, weights: PartWeights) -> Tensor:
    """What a name in a file of changes stands for, in float32: a weight, some of one, or the rows of several."""
    if isinstance(target, str):
        return weights[target].float()
    if isinstance(target, Stacked):
        return torch.cat([weight_of(source, weights) for source in target.sources])
    tensor = weights[target.key].float()
    tensor = tensor.transpose(0, 1) if target.transpose else tensor
    tensor = tensor if target.narrow is None else tensor.narrow(*target.narrow)
    return tensor if target.reshape is None else tensor.reshape(target.reshape)


def low_rank(difference: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(up, down): the nearest product of two matrices of that rank (Eckart & Young 1936), in float32.

    Kernels [out, in, height, width] become ``up`` [out, rank, 1, 1] and ``down`` [rank, in, height, width].
    """
    flat = difference.float().flatten(1)
    rank = min(rank, *flat.shape)
    left, values, right = torch.linalg.svd(flat, full_matrices=False)
    up, down = left[:, :rank] * values[:rank], right[:rank]
    if difference.ndim == 2:
        return up.contiguous(), down.contiguous()
    ones = [1] * (difference.ndim - 2)
    return up.reshape(len(up), rank, *ones).contiguous(), down.reshape(rank, *difference.shape[1:]).contiguous()


def as_changes(name: str, difference: Tensor, *, rank: int | None, with_biases: bool) -> Iterator[tuple[str, Tensor]]:
    """The entries of a file of weight changes for one difference; none where nothing differs.

    Args:
        name: what the file calls the weight, with its ``.weight`` or ``.bias``.
        rank: of the changes of matrices and kernels; None stores them whole.
        with_biases: changes of biases and norms are stored, too; always whole.
    """
    if not torch.count_nonzero(difference):
        return
    stem = name.removesuffix(_WEIGHT).removesuffix(_BIAS)
    if name.endswith(_BIAS):
        if with_biases:
            yield f"{stem}.diff_b", difference
    elif rank is None or difference.ndim < 2:
        if difference.ndim > 1 or with_biases:
            yield f"{stem}.diff", difference
    else:
        up, down = low_rank(difference, rank)
        yield f"{stem}.lora_up.weight", up
        yield f"{stem}.lora_down.weight", down
