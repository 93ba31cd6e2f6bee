"""The node that tells a video model how the camera moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from sdk import NodeError, NodeType, Omittable, Range, Socket, TypedCombo, hookimpl, node

CameraEmbedding = Annotated[Any, Socket("WAN_CAMERA_EMBEDDING", "camera rays [1, 24, latent frame, height, width]")]
_Share = Annotated[float, Range(0, 1, 0.01), Omittable()]
_Focal = Annotated[float, Range(0, 1, 0.000000001), Omittable()]
_Side = Annotated[int, Range(16, 16384, 16)]
_Pose = Literal[
    "Static",
    "Pan Up",
    "Pan Down",
    "Pan Left",
    "Pan Right",
    "Zoom In",
    "Zoom Out",
    "Anti Clockwise (ACW)",
    "ClockWise (CW)",
]


@node(
    id="WanCameraEmbedding",
    category="camera",
    names=("camera_embedding", "width", "height", "length"),
    output_tooltips=("The camera's path.", "Width of the video.", "Height of the video.", "Frames of the video."),
)
def wan_camera_embedding(
    camera_pose: Annotated[_Pose, TypedCombo(multiselect=False)] = "Static",
    width: _Side = 832,
    height: _Side = 480,
    length: Annotated[int, Range(1, 16384, 4)] = 81,
    speed: Annotated[float, Range(0, 10.0, 0.1), Omittable()] = 1.0,
    fx: _Focal = 0.5,
    fy: _Focal = 0.5,
    cx: _Share = 0.5,
    cy: _Share = 0.5,
) -> tuple[CameraEmbedding, int, int, int]:
    """A camera's path for Wan's camera models, as the rays through its pixels (Plücker coordinates).

    Args:
        camera_pose: How the camera moves.
        width: Width of the video, in pixels.
        height: Height of the video, in pixels.
        length: Frames of the video; 1 more than a multiple of 4.
        speed: How far it moves over the video. 0 stands still.
        fx: Focal length as a share of the width.
        fy: Focal length as a share of the height.
        cx: Where the line of sight meets the picture, as a share of the width.
        cy: Where the line of sight meets the picture, as a share of the height.
    """
    from host.builtin_nodes.video import camera

    if not fx or not fy:
        raise NodeError("A focal length of 0 sees nothing: set fx and fy above 0.")
    poses = camera.camera_path(camera.MOTIONS[camera_pose], speed, length)
    try:
        rays = camera.latent_rays(camera.plucker_rays(poses, camera.Lens(fx, fy, cx, cy), width, height))
    except ValueError as error:
        raise NodeError(f"The camera's path can't be used: {error}. Change the length.") from error
    return rays, width, height, length


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for cameras."""
    return [wan_camera_embedding]
