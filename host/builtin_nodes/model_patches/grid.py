"""How the tokens of an attention layer lie on the latent."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import torch

from host.builtin_nodes.sampling.patches import PatchCall

_SEED_STEPS = 2**20


def grid_at(shape: tuple[int, ...], depth: int) -> tuple[int, int]:
    """Rows and columns of tokens after ``depth`` halvings of a latent of that shape, as strided convolutions round."""
    rows, columns = shape[-2:]
    for _ in range(depth):
        rows, columns = -(-rows // 2), -(-columns // 2)
    return rows, columns


def depth_of(tokens: int, shape: tuple[int, ...], deepest: int) -> int | None:
    """After how many halvings a latent has so many tokens; None if after none up to ``deepest``."""
    for depth in range(deepest + 1):
        rows, columns = grid_at(shape, depth)
        if rows * columns == tokens:
            return depth
    return None


def generator_at(call: PatchCall) -> torch.Generator:
    """Random numbers that depend on the level alone, so that a run can be repeated."""
    return torch.Generator().manual_seed(int(call.sigma * _SEED_STEPS) % 2**63)
