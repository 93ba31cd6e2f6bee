"""Brings what was made in main memory to where samples are."""

from __future__ import annotations

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on that device.

    A CUDA device gets it from pinned memory when it comes to that: the program goes on at once, where a plain copy
    would wait for all that the device still has to compute.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)
    return pinned.to(device, non_blocking=True)
