"""Mazes, walks and views, by their geometry."""

from __future__ import annotations

import math

import pytest
import torch  # noqa: TID253 - frames are tensors
from raycaster.maze import BODY, FREE, Maze, Pose, make_maze, walk
from raycaster.nodes import maze, maze_map, view, walk_node
from raycaster.view import cast, draw

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, run_node

HALL = Maze(("######", "#....#", "######"))
ROOM = Maze(("#####", "#...#", "#...#", "#...#", "#####"))


def reached(labyrinth: Maze) -> set[tuple[int, int]]:
    found, waiting = set(), [(1, 1)]
    while waiting:
        column, row = waiting.pop()
        if (column, row) in found or labyrinth.is_wall(column, row):
            continue
        found.add((column, row))
        waiting += [(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)]
    return found


@pytest.mark.parametrize(("columns", "rows", "seed"), [(1, 1, 0), (8, 6, 0), (5, 12, 1), (40, 40, 2)])
def test_a_maze_has_one_way_to_every_room(columns: int, rows: int, seed: int) -> None:
    made = make_maze(columns, rows, seed)
    free = sum(row.count(FREE) for row in made.rows)
    assert len(reached(made)) == free == 2 * columns * rows - 1  # a tree: one passage less than there are rooms
    assert made == make_maze(columns, rows, seed)


def test_mazes_differ_by_their_seeds() -> None:
    assert len({make_maze(8, 8, seed) for seed in range(20)}) == 20


def test_a_move_takes_its_frames_and_leads_one_cell_on() -> None:
    poses = list(walk(HALL, HALL.start, "f F", 4))
    assert len(poses) == 8
    assert (poses[-1].x, poses[-1].y) == pytest.approx((3.5, 1.5))
    assert poses[1].x - poses[0].x == pytest.approx(0.25)


def test_turns_and_steps_back_are_undone_by_their_opposites() -> None:
    poses = list(walk(ROOM, Pose(2.5, 2.5, 0), "f l b w r b", 3))
    end = poses[-1]
    assert (end.x, end.y) == pytest.approx((2.5, 3.5))
    assert math.cos(end.angle) == pytest.approx(1)


def test_walls_stop_a_walk_and_it_slides_along_them() -> None:
    end = list(walk(ROOM, Pose(1.5, 1.5, 0), "ffff", 10))[-1]
    assert 4 - BODY - 0.11 < end.x <= 4 - BODY
    slid = list(walk(ROOM, Pose(3.5, 1.5, math.pi / 4), "fff", 10))[-1]
    assert slid.y > 3
    assert slid.x <= 4 - BODY


def test_a_ray_ahead_meets_the_wall_where_it_stands() -> None:
    hits = cast(HALL, Pose(1.5, 1.5, 0.0), 101, math.radians(66))
    assert float(hits.distance[50]) == pytest.approx(3.5, abs=1e-4)
    assert float(hits.along[50]) == pytest.approx(0.5, abs=1e-3)
    assert not hits.facing_y[50]
    assert hits.facing_y[0]
    assert hits.facing_y[100]


def test_a_flat_wall_is_equally_far_across_the_picture() -> None:
    hits = cast(ROOM, Pose(1.5, 2.5, 0.0), 64, math.radians(20))
    assert torch.allclose(hits.distance, torch.full((64,), 2.5), atol=1e-4)
    assert (hits.along.diff() > 0).all()


@pytest.mark.parametrize("angle", [0, math.pi / 2, math.pi, 3 * math.pi / 2])
def test_a_texture_is_the_right_way_round_on_every_wall(angle: float) -> None:
    texture = torch.zeros(8, 8, 3)
    texture[:, :4] = torch.tensor([1.0, 0, 0])  # left half red, right half green
    texture[:, 4:] = torch.tensor([0, 1.0, 0])
    picture = draw(ROOM, Pose(2.5, 2.5, angle), texture, 60, 60, math.radians(30))
    assert picture[30, 24, 0] > picture[30, 24, 1]
    assert picture[30, 36, 1] > picture[30, 36, 0]


def test_frames_are_pictures_of_the_size_asked_for() -> None:
    (made, text) = run_node(maze, columns=3, rows=3, seed=1).outputs
    assert text.splitlines()[0] == "#" * 7
    (poses,) = run_node(walk_node, maze=made, moves="fl", frames_per_move=2).outputs
    context = FakeContext()
    (frames,) = run_node(
        view, context, maze=made, poses=poses, texture=torch.rand(2, 8, 8, 4), width=40, height=30
    ).outputs
    assert tuple(frames.shape) == (5, 30, 40, 3)
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1
    assert context.progressed[-1] == (5, 5)
    assert not torch.equal(frames[0], frames[-1])


def test_a_walk_goes_on_where_another_ended() -> None:
    at_once = run_node(walk_node, maze=ROOM, moves="frf", frames_per_move=3).outputs[0]
    poses = None
    for move in "frf":
        poses = run_node(walk_node, maze=ROOM, moves=move, frames_per_move=3, start=poses).outputs[0]
    assert poses[-1] == at_once[-1]


@pytest.mark.parametrize(("moves", "said"), [("fxf", "'x' is no move"), ("f" * 2000, "more than 10000 frames")])
def test_walks_that_can_t_be_are_refused(moves: str, said: str) -> None:
    with pytest.raises(NodeError, match=said):
        run_node(walk_node, maze=ROOM, moves=moves)


def test_drawing_ends_when_it_is_cancelled() -> None:
    context = FakeContext(cancel_after=2)
    with pytest.raises(Cancelled):
        run_node(view, context, maze=ROOM, poses=(ROOM.start,) * 9, texture=torch.rand(1, 4, 4, 3), width=8, height=8)
    assert len(context.progressed) == 2


def test_a_map_shows_walls_and_the_way() -> None:
    (plain,) = run_node(maze_map, maze=ROOM, cell=8).outputs
    (walked,) = run_node(maze_map, maze=ROOM, poses=(ROOM.start,), cell=8).outputs
    assert tuple(plain.shape) == (1, 40, 40, 3)
    assert float(plain[0, 0, 0, 0]) == pytest.approx(0.15)
    changed = (plain != walked).any(dim=-1)[0].nonzero().float().mean(dim=0) / 8
    assert changed.tolist() == pytest.approx([1.5, 1.5], abs=0.1)
