"""What the CPU's kernels can do for the layers of a model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor  # noqa: TID253 - this module is loaded when weights are

from host.models.computing.amx.attention import attention_with
from host.models.computing.amx.building import load_kernels
from host.models.computing.amx.products import Products
from host.models.errors import KernelsUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kernels:
    """Linear layers and convolutions, and a function in place of ``scaled_dot_product_attention``."""

    products: Products
    attention: Callable[..., Tensor]


@cache
def kernels_for_this_cpu(folder: Path | None) -> Kernels | None:
    """The kernels, compiled into a folder unless they are there; None, and a line in the log, where there are none."""
    try:
        loaded = load_kernels(folder)
    except KernelsUnavailable as error:
        logger.info("%s", error)
        return None
    return Kernels(Products(loaded), attention_with(folder))
