"""The weights of the reference data's tiny models: a pure function of each tensor's name and shape.

w = Generator(PCG64(crc32(name))).standard_normal(shape); norms' scales are 1 + 0.1 w, other vectors 0.1 w,
and everything with two or more dimensions w / sqrt(product of all dimensions but the first).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SCALES = ("weight", "scale", "gamma")


def synthetic_tensor(name: str, shape: Sequence[int]) -> Tensor:
    """The float32 tensor of this name and shape."""
    w = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(tuple(shape), dtype=np.float32)
    tenth = np.float32(0.1)
    if name.endswith("running_var"):
        w = np.float32(1) + tenth * np.abs(w)
    elif name.endswith("dora_scale") or (len(shape) == 1 and name.endswith(_SCALES)):
        w = np.float32(1) + tenth * w
    elif len(shape) <= 1:
        w = tenth * w
    else:
        w = w / np.float32(np.sqrt(math.prod(shape[1:])))
    return torch.from_numpy(np.asarray(w, dtype=np.float32))


def synthetic_weights(manifest: Mapping[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """The floating-point tensors of a manifest whose names start with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): synthetic_tensor(name, shape)
        for name, (dtype, shape) in manifest["keys"].items()
        if name.startswith(prefix) and not dtype.startswith("I")
    }
