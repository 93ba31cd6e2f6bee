"""What all changes that add to a weight have in common."""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit


class Change(ABC):
    """A delta that is added: ``W' = W + strength * difference``. Holds factors as the file stores them."""

    @abstractmethod
    def difference(self, weight: Tensor) -> Tensor:
        """The difference at strength 1: float32, in the weight's shape, on its device.

        Depends on the weight's shape and device, and only where a class says so on its values.

        Raises:
            DeltaMisfit: it has another shape than the weight.
            RuntimeError: the factors don't fit each other.
        """

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``."""
        return torch.add(weight, self.difference(original), alpha=strength)


def widened(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor in float32 on the device of ``like``; moved first, so that fewer bytes travel."""
    if tensor.dtype == torch.float32 and tensor.device == like.device:
        return tensor
    return tensor.to(like.device).to(torch.float32)


def fitted(difference: Tensor, weight: Tensor) -> Tensor:
    """The difference in the weight's shape; kernels may have been flattened into the input channels.

    Raises:
        DeltaMisfit: outputs, or all numbers together, are not as many as the weight's.
    """
    if difference.shape[:1] != weight.shape[:1] or difference.numel() != weight.numel():
        raise DeltaMisfit(difference.shape, weight.shape)
    return difference.reshape(weight.shape)


def tucker(core: Tensor, outputs: Tensor, inputs: Tensor) -> Tensor:
    """A convolution's weight [out, in, …] from its Tucker decomposition (Tucker 1966).

    ``W[o, i, …] = sum over a, b of core[a, b, …] outputs[a, o] inputs[b, i]``
    """
    return torch.einsum("ab...,ao,bi->oi...", core, outputs, inputs)
