"""Latents as the tokens of a Flux transformer, and where each token is."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.families.flux.config import PATCH
from host.builtin_nodes.families.mmdit.wrapping import wrapped

POSITIONS = 3
"""A token has a number, a row and a column."""

OFFSET, INDEX, BESIDE_AND_BELOW = "offset", "index", ("uxo/uno", "uxo")
"""How several reference latents are told apart: beside each other, by numbers, or along the image's diagonal."""


@dataclass(frozen=True)
class Place:
    """Where a latent is: its number, and the row and column of its first cell."""

    number: int = 0
    row: int = 0
    column: int = 0


def tokens(x: Tensor) -> Tensor:
    """[batch, tokens, channels of a patch], row by row; within a token all of a channel's cells come together."""
    batch, channels, height, width = x.shape
    cells = x.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // PATCH**2, channels * PATCH**2)


def cells_of(states: Tensor, height: int, width: int) -> Tensor:
    """The reverse of ``tokens``: the first of them as a latent of so many cells."""
    rows, columns = height // PATCH, width // PATCH
    cells = states[:, : rows * columns].reshape(states.shape[0], rows, columns, -1, PATCH, PATCH)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(states.shape[0], -1, height, width)


def positions(height: int, width: int, device: torch.device, place: Place | None = None) -> Tensor:
    """[tokens, 3] for that many tokens along each side, the first of them at ``place``, by default at the origin."""
    place = place or Place()
    found = torch.zeros(height, width, POSITIONS, device=device)
    found[..., 0] += place.number
    found[..., 1] += torch.arange(height, device=device)[:, None] + _in_tokens(place.row)
    found[..., 2] += torch.arange(width, device=device) + _in_tokens(place.column)
    return found.reshape(-1, POSITIONS)


def with_references(x: Tensor, references: Sequence[Tensor], method: str) -> tuple[Tensor, Tensor]:
    """(tokens of a latent with those of its reference latents behind them, their positions).

    Args:
        x: [batch, channel, height, width], whose sides are multiples of a patch.
        references: [batch, channel, height, width] each, of any size.
        method: ``OFFSET``, ``INDEX`` or one of ``BESIDE_AND_BELOW``.
    """
    shown = [tokens(x)]
    found = [positions(x.shape[-2] // PATCH, x.shape[-1] // PATCH, x.device)]
    for reference, place in zip(references, _places(x, references, method), strict=True):
        whole = wrapped(reference, PATCH)
        shown.append(tokens(whole))
        found.append(positions(whole.shape[-2] // PATCH, whole.shape[-1] // PATCH, x.device, place))
    return torch.cat(shown, dim=1), torch.cat(found)


def _places(x: Tensor, references: Sequence[Tensor], method: str) -> Iterator[Place]:
    height = width = 0
    for number, reference in enumerate(references, 1):
        rows, columns = reference.shape[-2:]
        if method == INDEX:
            yield Place(number)
        elif method in BESIDE_AND_BELOW:
            yield Place(0, x.shape[-2] + height, x.shape[-1] + width)
            height, width = height + rows, width + columns
        else:
            # Where the two together stay nearest to a square.
            place = Place(1, 0, width) if rows + height > columns + width else Place(1, height, 0)
            yield place
            height, width = max(height, place.row + rows), max(width, place.column + columns)


def _in_tokens(cells: int) -> int:
    return (cells + PATCH // 2) // PATCH
