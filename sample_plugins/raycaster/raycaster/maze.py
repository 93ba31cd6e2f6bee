"""Mazes, and moving in them; no tensors here."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

WALL, FREE = "#", "."
BODY = 0.2
"""How near to a wall a player gets, in cells."""

MOVES = {"f": 1.0, "b": -1.0}
TURNS = {"l": -math.pi / 2, "r": math.pi / 2}


class BadMoves(ValueError):
    """A letter of a walk means nothing."""

    def __init__(self, letter: str) -> None:
        super().__init__(letter)
        self.letter = letter

    def __str__(self) -> str:
        return f"{self.letter!r} is no move; use f (forward), b (back), l and r (turn), and w (wait)"


@dataclass(frozen=True)
class Pose:
    """Where a player stands, in cells from the upper left corner, and looks: radians, 0 to the right, clockwise."""

    x: float
    y: float
    angle: float


@dataclass(frozen=True)
class Maze:
    """Rows of equal length, of walls and free cells, walls all around."""

    rows: tuple[str, ...]

    def is_wall(self, x: float, y: float) -> bool:
        """Whether a place is in a wall; everything outside is."""
        column, row = math.floor(x), math.floor(y)
        inside = 0 <= row < len(self.rows) and 0 <= column < len(self.rows[0])
        return not inside or self.rows[row][column] == WALL

    @property
    def start(self) -> Pose:
        """The first free cell, looking where the way is free."""
        row, column = next((r, c) for r, cells in enumerate(self.rows) for c, cell in enumerate(cells) if cell == FREE)
        free_right = not self.is_wall(column + 1, row)
        return Pose(column + 0.5, row + 0.5, 0.0 if free_right else math.pi / 2)


def make_maze(columns: int, rows: int, seed: int) -> Maze:
    """A maze with exactly one way between any two of its ``columns * rows`` rooms; equal seeds give equal mazes."""
    choose = random.Random(seed)
    cells = [[WALL] * (2 * columns + 1) for _ in range(2 * rows + 1)]
    cells[1][1] = FREE
    way = [(0, 0)]
    while way:
        column, row = way[-1]
        shut = [
            (c, r)
            for c, r in ((column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1))
            if 0 <= c < columns and 0 <= r < rows and cells[2 * r + 1][2 * c + 1] == WALL
        ]
        if not shut:
            way.pop()
            continue
        c, r = choose.choice(shut)
        cells[2 * r + 1][2 * c + 1] = FREE
        cells[row + r + 1][column + c + 1] = FREE
        way.append((c, r))
    return Maze(tuple("".join(line) for line in cells))


def walk(maze: Maze, start: Pose, moves: str, frames_per_move: int) -> Iterator[Pose]:
    """Where the player is at each frame; the start is not among them. Walls stop, and blanks mean nothing.

    Raises:
        BadMoves: a letter is no move.
    """
    pose = start
    for letter in "".join(moves.lower().split()):
        if letter not in {*MOVES, *TURNS, "w"}:
            raise BadMoves(letter)
        for _ in range(frames_per_move):
            pose = _moved(
                maze, pose, MOVES.get(letter, 0.0) / frames_per_move, TURNS.get(letter, 0.0) / frames_per_move
            )
            yield pose


def _moved(maze: Maze, pose: Pose, distance: float, turn: float) -> Pose:
    """Along a wall where the way ahead is shut: each axis is tried by itself."""
    x, y = pose.x + distance * math.cos(pose.angle), pose.y + distance * math.sin(pose.angle)
    x = pose.x if _touches(maze, x, pose.y) else x
    y = pose.y if _touches(maze, x, y) else y
    return Pose(x, y, (pose.angle + turn) % (2 * math.pi))


def _touches(maze: Maze, x: float, y: float) -> bool:
    return any(maze.is_wall(x + dx, y + dy) for dx in (-BODY, BODY) for dy in (-BODY, BODY))
