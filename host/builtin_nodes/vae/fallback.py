"""Decodes and encodes in tiles where the whole doesn't fit into the device's memory."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

TILES = (512, 256, 128)
"""Sides of tiles in pixels that are tried one after the other; each tile shares a quarter with its neighbour."""

_SHARED = 4


def decode(adapter: Any, module: Any, latents: Tensor) -> Tensor:
    """``adapter.decode``, in tiles where memory runs out.

    Raises:
        torch.OutOfMemoryError: even the smallest tiles don't fit.
    """
    cell = adapter.downscale

    def tiled(tile: int) -> Tensor:
        decoded: Tensor = adapter.decode_tiled(module, latents, tile=tile // cell, overlap=tile // _SHARED // cell)
        return decoded

    return _whole_or_tiled(lambda: adapter.decode(module, latents), tiled)


def encode(adapter: Any, module: Any, pixels: Tensor) -> Tensor:
    """``adapter.encode``, in tiles where memory runs out.

    Raises:
        torch.OutOfMemoryError: even the smallest tiles don't fit.
    """

    def tiled(tile: int) -> Tensor:
        encoded: Tensor = adapter.encode_tiled(module, pixels, tile=tile, overlap=tile // _SHARED)
        return encoded

    return _whole_or_tiled(lambda: adapter.encode(module, pixels), tiled)


def _whole_or_tiled(whole: Callable[[], Tensor], tiled: Callable[[int], Tensor]) -> Tensor:
    try:
        return whole()
    except torch.OutOfMemoryError:
        pass  # what the failed call holds falls free only when its error does, which is here
    for tile in TILES[:-1]:
        logger.warning("out of memory: the image is done in tiles of %d pixels", tile)
        try:
            return tiled(tile)
        except torch.OutOfMemoryError:
            pass
    logger.warning("out of memory: the image is done in tiles of %d pixels", TILES[-1])
    return tiled(TILES[-1])
