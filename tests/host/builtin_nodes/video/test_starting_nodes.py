"""Latent videos between given pictures, with an autoencoder that is a formula."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.video import starting_nodes as nodes
from host.builtin_nodes.video.wan_latents import WAN21_MEAN
from sdk import Identity, ModelHandle, NodeError
from tests.support.node_context import LoneContext, context_in


class VideoVae:
    """A latent frame is the mean of its frames' pixels, in every channel."""

    def __init__(self, channels: int, step: int, cell: int) -> None:
        self.channels, self.step, self.cell = channels, step, cell
        self.seen: list[Tensor] = []

    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        self.seen.append(pixels)
        groups = [pixels[:1], *pixels[1:].split(self.step)]
        rows, columns = (side // self.cell for side in pixels.shape[1:3])
        frames = [group.mean().expand(1, self.channels, 1, rows, columns) for group in groups if len(group)]
        return torch.cat(frames, dim=2)


class PictureVae(VideoVae):
    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        return super().encode(module, pixels)[:, :, 0]


def handle(vae: VideoVae) -> ModelHandle:
    identity = Identity(family="fake", kind="vae", config={}, because="it is a formula")
    return ModelHandle(key="vae", part="vae", identity=identity, adapter=vae)


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    class Models:
        @contextmanager
        def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Any:
            yield None

    context = context_in(tmp_path)
    context.models = Models()
    return context


def pictures(count: int, value: float, height: int = 32, width: int = 64) -> Tensor:
    return torch.full((count, height, width, 3), value)


def test_cosmos_fixes_its_first_and_last_frames(context: LoneContext) -> None:
    vae = VideoVae(16, 8, 8)
    latent = nodes.cosmos_image_to_video_latent(
        handle(vae), context, 64, 32, 33, 2, start_image=pictures(9, 0.25), end_image=pictures(1, 0.75)
    )
    samples, mask = latent["samples"], latent["noise_mask"]
    assert (samples.shape, mask.shape) == ((2, 16, 5, 4, 8), (2, 1, 5, 4, 8))
    assert mask[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 0]
    assert samples[1, 3, :, 0, 0].tolist() == [0.25, 0.25, 0, 0, 0.75]
    first, last = vae.seen
    assert (len(first), len(last)) == (17, 1)  # a grey block follows what the video goes on from
    assert first[:9].unique().tolist() == [0.25]
    assert first[9:].unique().tolist() == [0.5]


@pytest.mark.parametrize(("first", "last"), [(0, None), (None, 0), (None, 5), (1, 3)])
def test_pictures_that_end_within_a_block_are_refused(
    context: LoneContext, first: int | None, last: int | None
) -> None:
    ends = {
        name: pictures(count, 0.5) for name, count in (("start_image", first), ("end_image", last)) if count is not None
    }
    with pytest.raises(NodeError, match=r"pictures can't begin or end a video .* more than a multiple of 8"):
        nodes.cosmos_image_to_video_latent(handle(VideoVae(16, 8, 8)), context, 64, 32, 33, **ends)


def test_pictures_are_brought_to_the_size_of_the_video(context: LoneContext) -> None:
    vae = VideoVae(16, 8, 8)
    nodes.cosmos_image_to_video_latent(handle(vae), context, 64, 32, 9, start_image=pictures(1, 0.5, 100, 100))
    assert vae.seen[0].shape == (9, 32, 64, 3)


def test_what_cosmos_predict2_fills_in_starts_from_the_middle_of_its_latents(context: LoneContext) -> None:
    latent = nodes.cosmos_predict2_image_to_video_latent(
        handle(VideoVae(16, 4, 8)), context, 64, 32, 9, start_image=pictures(1, 0.25)
    )
    assert latent["samples"].shape == (1, 16, 3, 4, 8)
    torch.testing.assert_close(latent["samples"][0, :, 1, 0, 0], torch.tensor(WAN21_MEAN))
    assert latent["samples"][0, :, 0].unique().tolist() == [0.25]


def test_wan22_keeps_the_given_frames(context: LoneContext) -> None:
    latent = nodes.wan22_image_to_video_latent(
        handle(VideoVae(48, 4, 16)), context, 64, 32, 9, start_image=pictures(5, 0.25)
    )
    assert latent["samples"].shape == (1, 48, 3, 2, 4)
    assert latent["noise_mask"][0, 0, :, 0, 0].tolist() == [0, 0, 1]


def test_wan_shows_the_whole_video_with_grey_where_nothing_is_given(context: LoneContext) -> None:
    vae = VideoVae(16, 4, 8)
    prompt = [[torch.zeros(1, 3, 4), {}]]
    positive, negative, latent = nodes.wan_image_to_video(
        prompt, prompt, handle(vae), context, 64, 32, 9, 1, clip_vision_output="seen", start_image=pictures(1, 1.0)
    )
    assert latent["samples"].shape == (1, 16, 3, 4, 8)
    for entry in (positive[0][1], negative[0][1]):
        assert entry["clip_vision_output"] == "seen"
        assert entry["concat_mask"][0, 0, :, 0, 0].tolist() == [0, 1, 1]
        assert entry["concat_latent_image"][0, 0, :, 0, 0].tolist() == [1.0, 0.5, 0.5]
    assert prompt[0][1] == {}


def test_a_vae_for_pictures_is_refused(context: LoneContext) -> None:
    with pytest.raises(NodeError, match="Load the VAE that belongs to the video model"):
        nodes.wan22_image_to_video_latent(
            handle(PictureVae(48, 4, 16)), context, 64, 32, 9, start_image=pictures(1, 0.5)
        )


def test_guides_are_cut_off_and_forgotten() -> None:
    guided = [[torch.zeros(1, 3, 4), {"keyframe_idxs": torch.tensor([[[7, 7, 9], [0, 0, 0]]])}]]
    latent = {"samples": torch.arange(6.0).reshape(1, 1, 6, 1, 1)}
    positive, negative, cropped = nodes.ltxv_crop_guides(guided, guided, latent)
    assert cropped["samples"].flatten().tolist() == [0, 1, 2, 3]
    assert cropped["noise_mask"].shape == (1, 1, 4, 1, 1)
    assert positive[0][1]["keyframe_idxs"] is negative[0][1]["keyframe_idxs"] is None
