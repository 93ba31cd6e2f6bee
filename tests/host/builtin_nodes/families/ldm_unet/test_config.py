from __future__ import annotations

import pytest

from host.builtin_nodes.families.ldm_unet.config import UnetConfig, unet_shape
from host.builtin_nodes.families.ldm_unet.module import build_unet
from host.builtin_nodes.families.refusals import LayoutError

CONFIG = UnetConfig(
    in_channels=4,
    out_channels=4,
    channels=[32, 64, 96],
    down_depths=[[1], [2], [0]],
    up_depths=[[1, 1], [2, 2], [0, 0]],
    middle_depth=1,
    context_channels=48,
    heads=[4, 4, 4],
    model_channels=32,
    time_channels=100,
    linear_projections=False,
)

CONFIGS = {
    "convolutional": CONFIG,
    "linear": UnetConfig(**{**CONFIG.as_json(), "linear_projections": True}),
    "vector": UnetConfig(**{**CONFIG.as_json(), "vector_channels": 20}),
    "other first width": UnetConfig(**{**CONFIG.as_json(), "model_channels": 16}),
    "deeper up": UnetConfig(**{**CONFIG.as_json(), "up_depths": [[1, 1], [2, 1], [0, 0]]}),
    "one residual block in the middle": UnetConfig(
        **{
            **CONFIG.as_json(),
            "down_depths": [[0, 0], [1, 1], [2, 2]],
            "up_depths": [[0, 0, 0], [1, 1, 2], [4, 2, 2]],
            "middle_depth": 0,
        }
    ),
    "nothing in the middle": UnetConfig(
        **{
            **CONFIG.as_json(),
            "down_depths": [[0], [2], [5]],
            "up_depths": [[0, 0], [2, 2], [5, 5]],
            "middle_depth": 0,
            "has_middle": False,
        }
    ),
    "two layers": UnetConfig(
        **{**CONFIG.as_json(), "down_depths": [[1, 1], [2, 2], [0, 0]], "up_depths": [[1] * 3, [2] * 3, [0] * 3]}
    ),
    "attention at the bottom": UnetConfig(
        **{**CONFIG.as_json(), "down_depths": [[0], [2], [1]], "up_depths": [[0, 0], [2, 2], [1, 1]]}
    ),
}


def _shapes(config: UnetConfig) -> dict[str, tuple[int, ...]]:
    import torch

    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build_unet(config).state_dict().items()}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_configuration_is_found_again_in_its_modules_shapes(name: str) -> None:
    config = CONFIGS[name]
    assert unet_shape(_shapes(config)).with_heads([4, 4, 4]) == config


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(LayoutError, match="32 channels can't be split into 5"):
        unet_shape(_shapes(CONFIG)).with_heads([5, 5, 5])


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ("up_blocks.2.attentions.0", "only some blocks of resolution 0"),
        ("up_blocks.2.resnets.1", "1 blocks on the way down and 1"),
        ("down_blocks.0.attentions.0", "one way only"),
        ("mid_block.attentions", "middle block has no attention"),
        ("conv_in", "no conv_in.weight"),
        ("down_blocks", "no residual blocks"),
    ],
)
def test_missing_pieces_are_named(removed: str, said: str) -> None:
    shapes = {name: shape for name, shape in _shapes(CONFIG).items() if not name.startswith(removed)}
    with pytest.raises(LayoutError, match=said):
        unet_shape(shapes)


def test_widths_that_cannot_be_normalised_are_refused() -> None:
    shapes = {**_shapes(CONFIG), "down_blocks.0.resnets.0.conv1.weight": (33, 32, 3, 3)}
    with pytest.raises(LayoutError, match="33 channels"):
        unet_shape(shapes)
