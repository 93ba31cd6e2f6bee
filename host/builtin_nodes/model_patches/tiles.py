"""HyperTile: self-attention within tiles instead of over the whole picture."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.model_patches.grid import depth_of, generator_at, grid_at
from host.builtin_nodes.sampling.patches import Attend, PatchCall


@dataclass(frozen=True)
class TiledAttention:
    """Self-attention in tiles, whose cost grows with the tile and not with the picture.

    Attributes:
        tile: smallest side of a tile, in latent cells.
        choices: among how many numbers of tiles each evaluation picks one for a side, less one; seams then move.
        max_depth: up to which halving of the latent layers are tiled.
        scale_depth: whether tiles cover more of the picture the deeper the layer is.
    """

    tile: int
    choices: int
    max_depth: int
    scale_depth: bool

    def __call__(self, attend: Attend, query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
        depth = depth_of(query.shape[1], call.shape, self.max_depth)
        if depth is None:
            return attend(query, key, value)
        rows, columns = grid_at(call.shape, depth)
        smallest = self.tile * 2**depth if self.scale_depth else self.tile
        generator = generator_at(call)
        down, across = (tile_count(side, smallest, self.choices, generator) for side in (rows, columns))
        if down * across == 1:
            return attend(query, key, value)
        tiles = (to_tiles(tensor, rows, down, across) for tensor in (query, key, value))
        return from_tiles(attend(*tiles), rows, down, across)


def tile_count(side: int, smallest: int, choices: int, generator: torch.Generator) -> int:
    """Into how many equal tiles of at least ``smallest`` cells a side is cut: as many as go, or one of the next."""
    sizes = [size for size in range(min(smallest, side), side + 1) if side % size == 0]
    counts = [side // size for size in sizes[:choices]]
    counts = counts[:-1] or counts
    return counts[int(torch.randint(len(counts), (1,), generator=generator))]


def to_tiles(tokens: Tensor, rows: int, down: int, across: int) -> Tensor:
    """Tokens [batch, rows * columns, width] as [batch * down * across, tokens of a tile, width]."""
    batch, count, width = tokens.shape
    columns = count // rows
    grid = tokens.reshape(batch, down, rows // down, across, columns // across, width)
    return grid.transpose(2, 3).reshape(batch * down * across, -1, width)


def from_tiles(tiles: Tensor, rows: int, down: int, across: int) -> Tensor:
    """The reverse of ``to_tiles``."""
    count, size, width = tiles.shape
    height = rows // down
    grid = tiles.reshape(count // (down * across), down, across, height, size // height, width)
    return grid.transpose(2, 3).reshape(count // (down * across), -1, width)
