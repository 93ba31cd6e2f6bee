from __future__ import annotations

from typing import Any

import pytest

from host.builtin_nodes.working_memory import denoiser_bytes, encoder_bytes
from sdk import Identity, ModelHandle


def handle(**config: Any) -> ModelHandle:
    return ModelHandle(
        key="k", part="p", identity=Identity(family="f", kind="k", config=config, because=""), adapter=None
    )


def test_a_denoiser_needs_room_for_both_sides_of_each_latent() -> None:
    assert denoiser_bytes(handle(unet={"channels": [320, 640]}), (1, 4, 64, 64)) == 2 * 64 * 64 * 320 * 26 * 4
    assert denoiser_bytes(handle(unet={"channels": [160]}), (2, 4, 64, 64)) == 2 * 64 * 64 * 320 * 26 * 4


def test_latents_of_videos_count_all_their_frames() -> None:
    assert denoiser_bytes(handle(), (1, 16, 5, 8, 8)) == 5 * denoiser_bytes(handle(), (1, 16, 8, 8))


@pytest.mark.parametrize("config", [{}, {"vae": None}, {"vae": {"channels": [128]}}])
def test_widths_that_are_not_stated_count_as_the_usual_ones(config: dict[str, Any]) -> None:
    assert encoder_bytes(handle(**config), (1, 64, 32, 3)) == 64 * 32 * 128 * 5 * 4
