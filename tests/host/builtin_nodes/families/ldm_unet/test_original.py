from __future__ import annotations

from typing import Any

import pytest
from diffusers import UNet2DConditionModel

from host.builtin_nodes.families.ldm_unet.names import original_names
from host.builtin_nodes.families.ldm_unet.original import original_paths

LEVELS: dict[str, dict[str, Any]] = {
    "stable diffusion 1": {"block_out_channels": (32,) * 4, "layers_per_block": 2},
    "one layer": {"block_out_channels": (32,) * 3, "layers_per_block": 1, "down": (1, 1, 0), "up": (0, 1, 1)},
    "stable diffusion xl": {"block_out_channels": (32,) * 3, "layers_per_block": 2, "down": (0, 1, 1), "up": (1, 1, 0)},
}


@pytest.mark.parametrize("kind", LEVELS)
def test_names_go_to_the_original_layout_and_back(kind: str) -> None:
    options = dict(LEVELS[kind])
    down, up = options.pop("down", (1, 1, 1, 0)), options.pop("up", (0, 1, 1, 1))
    unet = UNet2DConditionModel(
        **options,
        down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in down),
        up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in up),
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    names = list(unet.state_dict())
    originals = original_paths(names, [options["layers_per_block"]] * len(down))
    assert list(originals) == names
    assert len(set(originals.values())) == len(names)
    assert original_names(originals.values()) == originals


def test_names_that_are_no_unets_are_left_out() -> None:
    assert original_paths(["vae.decoder.weight", "conv_in.weight"], [2]) == {
        "conv_in.weight": "input_blocks.0.0.weight"
    }
