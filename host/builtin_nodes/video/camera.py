"""Camera paths as video models see them: a ray for each pixel of each frame."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_LONGEST_MOVE = 1.5
"""Distance covered over a video at speed 1, for a motion of length 1."""

_LARGEST_TURN = math.pi / 3
_POSE_ASPECT = 1280 / 720
"""Width over height of the pictures that the focal lengths are shares of."""

_FRAMES_PER_LATENT = 4


@dataclass(frozen=True)
class Motion:
    """Where the camera moves to (right, down, forward) and how it turns clockwise, per unit of speed."""

    move: tuple[float, float, float] = (0.0, 0.0, 0.0)
    roll: float = 0.0


MOTIONS: Mapping[str, Motion] = {
    "Static": Motion(),
    "Pan Up": Motion((0.0, -1.0, 0.0)),
    "Pan Down": Motion((0.0, 1.0, 0.0)),
    "Pan Left": Motion((-1.0, 0.0, 0.0)),
    "Pan Right": Motion((1.0, 0.0, 0.0)),
    "Zoom In": Motion((0.0, 0.0, 2.0)),
    "Zoom Out": Motion((0.0, 0.0, -2.0)),
    "Anti Clockwise (ACW)": Motion(roll=-1.0),
    "ClockWise (CW)": Motion(roll=1.0),
}


@dataclass(frozen=True)
class Lens:
    """Focal lengths and principal point, as shares of width and height."""

    fx: float
    fy: float
    cx: float
    cy: float


def camera_path(motion: Motion, speed: float, length: int) -> Tensor:
    """Poses [frame, 4, 4] from camera to world of an even motion, float64."""
    poses = torch.eye(4, dtype=torch.float64).repeat(length, 1, 1)
    shares = torch.arange(length, dtype=torch.float64) / length * speed
    angles = shares * _LARGEST_TURN * motion.roll
    poses[:, 0, 0] = poses[:, 1, 1] = angles.cos()
    poses[:, 1, 0], poses[:, 0, 1] = angles.sin(), -angles.sin()
    poses[:, :3, 3] = shares[:, None] * _LONGEST_MOVE * torch.tensor(motion.move, dtype=torch.float64)
    return poses


def plucker_rays(poses: Tensor, lens: Lens, width: int, height: int) -> Tensor:
    """The ray through each pixel in the first camera's frame: [frame, height, width, (moment, direction)], float32.

    Source: Sitzmann et al. 2021, "Light Field Networks", section 3; the first pose is the origin.

    Args:
        poses: camera to world [frame, 4, 4].
    """
    to_first = (torch.linalg.inv(poses[:1]) @ poses).float()
    fx, fy = lens.fx * width, lens.fy * height
    if width / height < _POSE_ASPECT:
        fx = lens.fx * height * _POSE_ASPECT
    else:
        fy = lens.fy * width / _POSE_ASPECT
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    across, down = (columns - lens.cx * width) / fx, (rows - lens.cy * height) / fy
    rays = torch.stack([across, down, torch.ones_like(across)], dim=-1)
    rays = rays / rays.norm(dim=-1, keepdim=True)
    directions = torch.einsum("fij,hwj->fhwi", to_first[:, :3, :3], rays)
    origins = to_first[:, None, None, :3, 3].expand_as(directions)
    return torch.cat([torch.linalg.cross(origins, directions), directions], dim=-1)


def latent_rays(rays: Tensor) -> Tensor:
    """Rays [frame, height, width, 6] as [1, 24, latent frame, height, width].

    The first frame has a latent frame of its own, as it has in the latents of Wan; the others share one in fours.

    Raises:
        ValueError: the number of frames is not 1 more than a multiple of 4.
    """
    if len(rays) % _FRAMES_PER_LATENT != 1:
        raise ValueError(f"{len(rays)} frames are not 1 more than a multiple of {_FRAMES_PER_LATENT}")
    filled = torch.cat([rays[:1].expand(_FRAMES_PER_LATENT, -1, -1, -1), rays[1:]])
    grouped = filled.reshape(-1, _FRAMES_PER_LATENT, *filled.shape[1:]).permute(4, 1, 0, 2, 3)
    return grouped.flatten(0, 1)[None]
