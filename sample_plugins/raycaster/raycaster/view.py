"""What a player sees: one ray for each column of the picture (Amanatides and Woo 1987), all columns at once."""

# ruff: noqa: TID253 - imported inside node bodies, never when the pack is loaded
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from raycaster.maze import WALL, Maze, Pose

CEILING, FLOOR = (0.25, 0.28, 0.35), (0.30, 0.26, 0.22)
_DARKER_SIDE = 0.75
_FOG = 0.12
_NEAREST = 1e-3


@dataclass(frozen=True)
class Hits:
    """Where the rays meet walls, one entry for each column.

    Attributes:
        distance: in cells, at right angles to the picture.
        along: 0..1 along the wall that is hit, from left to right.
        facing_y: whether that wall runs along x.
    """

    distance: Tensor
    along: Tensor
    facing_y: Tensor


def cast(maze: Maze, pose: Pose, width: int, field_of_view: float) -> Hits:
    """Follow the rays of a picture ``width`` pixels wide, cell by cell until each is in a wall."""
    solid = torch.tensor([[cell == WALL for cell in row] for row in maze.rows])
    screen = (2 * (torch.arange(width) + 0.5) / width - 1) * math.tan(field_of_view / 2)
    direction = torch.stack(
        [
            math.cos(pose.angle) - screen * math.sin(pose.angle),
            math.sin(pose.angle) + screen * math.cos(pose.angle),
        ]
    )
    direction = torch.where(direction.abs() < 1e-9, torch.full_like(direction, 1e-9), direction)
    position = torch.tensor([[pose.x], [pose.y]])
    cell = position.floor().long().expand(2, width).clone()
    step = direction.sign().long()
    per_cell = 1 / direction.abs()
    ahead = torch.where(step > 0, cell + 1 - position, position - cell)
    reach = ahead * per_cell  # how far along each ray the next border is, for x and for y
    axis = torch.zeros(width, dtype=torch.long)
    going = torch.ones(width, dtype=torch.bool)
    for _ in range(sum(solid.shape)):
        nearer = reach.argmin(dim=0)
        axis = torch.where(going, nearer, axis)
        moved = torch.stack([going & (nearer == 0), going & (nearer == 1)])
        cell = cell + step * moved
        reach = reach + per_cell * moved
        going = going & ~solid[cell[1], cell[0]]
    distance = (reach - per_cell).gather(0, axis[None])[0].clamp(min=_NEAREST)
    hit = position + direction * distance
    along = torch.where(axis == 0, hit[1], hit[0]).frac()
    # Seen from its other side, a wall's left is its right.
    mirrored = torch.where(axis == 0, direction[0] < 0, direction[1] > 0)
    return Hits(distance, torch.where(mirrored, 1 - along, along), axis == 1)


def draw(maze: Maze, pose: Pose, texture: Tensor, width: int, height: int, field_of_view: float) -> Tensor:
    """A picture [height, width, 3] in 0..1.

    Args:
        texture: [height, width, channel] in 0..1; one cell of wall shows all of it.
        field_of_view: horizontal, in radians.
    """
    hits = cast(maze, pose, width, field_of_view)
    scale = width / (2 * math.tan(field_of_view / 2))
    tall = scale / hits.distance  # walls are as high as a cell is wide
    rows = torch.arange(height)[:, None] + 0.5
    down = (rows - height / 2) / tall + 0.5
    texture_rows, texture_columns = texture.shape[:2]
    y = (down * texture_rows).long().clamp(0, texture_rows - 1)
    x = (hits.along * texture_columns).long().clamp(0, texture_columns - 1).expand(height, width)
    side = torch.where(hits.facing_y, _DARKER_SIDE, 1.0)
    light = (side / (1 + _FOG * hits.distance))[None, :, None]
    wall = texture[..., :3].float()[y, x] * light
    depth = ((rows - height / 2).abs() / (height / 2))[..., None]
    ground = torch.where(rows[..., None] < height / 2, torch.tensor(CEILING), torch.tensor(FLOOR)) * (0.3 + 0.7 * depth)
    is_wall = (down >= 0) & (down < 1)
    return torch.where(is_wall[..., None], wall, ground.expand(height, width, 3)).clamp(0, 1)


def draw_map(maze: Maze, poses: tuple[Pose, ...], cell: int) -> Tensor:
    """The maze from above, [height, width, 3]; where the player was is red, and the last place bright."""
    walls = torch.tensor([[0.15 if c == WALL else 0.9 for c in row] for row in maze.rows])
    picture = walls.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[..., None].repeat(1, 1, 3)
    for number, pose in enumerate(poses):
        row, column = int(pose.y * cell), int(pose.x * cell)
        size = max(1, cell // 4) if number == len(poses) - 1 else max(1, cell // 10)
        colour = torch.tensor([1.0, 0.2, 0.1] if number == len(poses) - 1 else [0.8, 0.4, 0.4])
        picture[max(0, row - size) : row + size, max(0, column - size) : column + size] = colour
    return picture
