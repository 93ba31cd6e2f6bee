"""Nodes: a maze, a walk in it, and what is seen on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any

from raycaster.maze import BadMoves, make_maze, walk
from sdk import Image, Multiline, NodeContext, NodeError, NodeType, Range, Seed, Socket, hookimpl, node

MAZE_SOCKET = Socket("RAYCASTER_MAZE", "a maze of walls and free cells")
POSES_SOCKET = Socket("RAYCASTER_POSES", "where a player is, frame after frame")
MazeValue = Annotated[Any, MAZE_SOCKET]
Poses = Annotated[Any, POSES_SOCKET]
CATEGORY = "raycaster"
_LONGEST_WALK = 10_000


@node(id="RaycasterMaze", title="Maze", category=CATEGORY, names=["maze", "text"])
def maze(
    columns: Annotated[int, Range(1, 100)] = 8,
    rows: Annotated[int, Range(1, 100)] = 6,
    seed: Annotated[int, Seed()] = 0,
) -> tuple[MazeValue, str]:
    """Make a maze with exactly one way between any two rooms.

    Args:
        columns: Rooms from left to right.
        rows: Rooms from top to bottom.
        seed: Equal seeds give equal mazes.
    """
    made = make_maze(columns, rows, seed)
    return made, "\n".join(made.rows)


@node(id="RaycasterWalk", title="Walk", category=CATEGORY, names=["poses"])
def walk_node(
    maze: MazeValue,
    moves: Annotated[str, Multiline()] = "ffrfflff",
    frames_per_move: Annotated[int, Range(1, 60)] = 8,
    start: Poses | None = None,
) -> Poses:
    """Walk through a maze: a pose for the start, and for each frame after it.

    To play frame by frame, give one move at a time and link the poses of the last step as the start.

    Args:
        maze: Where to walk.
        moves: f is a cell forward, b one back, l and r turn, w waits; blanks mean nothing.
        frames_per_move: How many frames a move takes.
        start: Goes on where these poses end; without it, at the maze's start.
    """
    begin = start[-1] if start else maze.start
    if len("".join(moves.split())) * frames_per_move > _LONGEST_WALK:
        raise NodeError(f"The walk has more than {_LONGEST_WALK} frames; cut it into several.")
    try:
        return (begin, *walk(maze, begin, moves, frames_per_move))
    except BadMoves as error:
        raise NodeError(f"{error}.") from error


@node(id="RaycasterView", title="View", category=CATEGORY, names=["frames"])
def view(
    context: NodeContext,
    maze: MazeValue,
    poses: Poses,
    texture: Image,
    width: Annotated[int, Range(8, 2048)] = 320,
    height: Annotated[int, Range(8, 2048)] = 200,
    field_of_view: Annotated[float, Range(20, 140, 1)] = 66.0,
) -> Image:
    """Draw what is seen at each pose.

    Args:
        maze: What is walked through.
        poses: One frame is drawn for each.
        texture: What the walls look like; of several images, frames take one after another in turn.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        field_of_view: From left to right, in degrees.
    """
    import torch

    from raycaster.view import draw

    frames = []
    for number, pose in enumerate(poses):
        picture = texture[number % len(texture)].cpu()
        frames.append(draw(maze, pose, picture, width, height, math.radians(field_of_view)))
        context.progress(number + 1, len(poses))
    return torch.stack(frames)


@node(id="RaycasterMap", title="Map", category=CATEGORY, names=["image"])
def maze_map(maze: MazeValue, poses: Poses | None = None, cell: Annotated[int, Range(2, 64)] = 16) -> Image:
    """Draw a maze from above.

    Args:
        maze: What is drawn.
        poses: A way that is drawn in.
        cell: Pixels along each side of a cell.
    """
    from raycaster.view import draw_map

    return draw_map(maze, tuple(poses or ()), cell)[None]


@hookimpl
def register_sockets() -> Iterable[Socket]:
    return [MAZE_SOCKET, POSES_SOCKET]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [maze, walk_node, view, maze_map]
