from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.video.camera import MOTIONS, Lens, camera_path, latent_rays, plucker_rays
from host.builtin_nodes.video.camera_nodes import wan_camera_embedding
from sdk import NodeError

LENS = Lens(0.5, 0.5, 0.5, 0.5)


def test_a_camera_that_stands_still_has_rays_through_one_point() -> None:
    rays = plucker_rays(camera_path(MOTIONS["Static"], 1.0, 5), LENS, 32, 16)
    assert rays.shape == (5, 16, 32, 6)
    assert not rays[..., :3].any()
    torch.testing.assert_close(rays[..., 3:].norm(dim=-1), torch.ones(5, 16, 32))
    assert torch.equal(rays[0], rays[4])


@pytest.mark.parametrize(("name", "axis", "sign"), [("Pan Left", 0, -1), ("Pan Down", 1, 1), ("Zoom In", 2, 1)])
def test_cameras_move_where_their_names_say(name: str, axis: int, sign: int) -> None:
    path = camera_path(MOTIONS[name], 1.0, 9)[:, :3, 3]
    assert not path[0].any()
    assert bool((path[1:, axis].sign() == sign).all())
    assert path.count_nonzero() == 8


def test_opposite_motions_have_opposite_moments() -> None:
    there, back = (plucker_rays(camera_path(MOTIONS[name], 1.0, 5), LENS, 16, 16) for name in ("Zoom In", "Zoom Out"))
    torch.testing.assert_close(there[..., :3], -back[..., :3])
    torch.testing.assert_close(there[..., 3:], back[..., 3:])


def test_a_turn_keeps_the_line_of_sight() -> None:
    rays = plucker_rays(camera_path(MOTIONS["ClockWise (CW)"], 1.0, 5), LENS, 15, 15)
    torch.testing.assert_close(rays[:, 7, 7, 3:], torch.tensor([0.0, 0.0, 1.0]).expand(5, 3))
    right = rays[4, 7, 14, 3:]
    assert right[1] > 0  # what was at the right of the camera is now further down


def test_moment_and_direction_are_perpendicular() -> None:
    rays = plucker_rays(camera_path(MOTIONS["Pan Up"], 3.0, 5), Lens(0.7, 0.4, 0.3, 0.6), 24, 16)
    torch.testing.assert_close((rays[..., :3] * rays[..., 3:]).sum(-1), torch.zeros(5, 16, 24), atol=1e-6, rtol=0)


def test_the_first_frame_fills_a_latent_frame_alone() -> None:
    rays = torch.arange(9.0)[:, None, None, None].expand(9, 1, 1, 6)
    latent = latent_rays(rays)
    assert latent.shape == (1, 24, 3, 1, 1)
    assert latent[0, :4, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.mark.parametrize(("changes", "message"), [({"length": 6}, "Change the length"), ({"fx": 0.0}, "sees nothing")])
def test_what_cannot_be_is_said(changes: dict[str, float], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        wan_camera_embedding(**{"width": 16, "height": 16, "length": 5, **changes})
