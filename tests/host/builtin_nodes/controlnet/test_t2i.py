from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.adapter import FullAdapter, FullAdapterXL, LightAdapter
from torch import nn

from host.builtin_nodes.controlnet.residuals import INPUT, MIDDLE
from host.builtin_nodes.controlnet.t2i_adapter import T2iAdapter
from host.builtin_nodes.controlnet.t2i_config import find_t2i_adapter
from host.builtin_nodes.controlnet.t2i_module import PaddedPool, build_t2i_adapter
from host.builtin_nodes.families.refusals import LayoutError
from sdk import Header, TensorInfo

WIDTHS = [16, 32, 48, 48]


def header(module: nn.Module) -> Header:
    tensors = {f"adapter.{key}": TensorInfo("F32", tuple(value.shape)) for key, value in module.state_dict().items()}
    return Header(Path("t2i.safetensors"), tensors)


@pytest.mark.parametrize(
    ("module", "input_blocks", "middle"),
    [
        (FullAdapter(channels=WIDTHS), [2, 5, 8, 11], 0),
        (FullAdapter(in_channels=1, channels=WIDTHS), [2, 5, 8, 11], 0),
        (LightAdapter(channels=[16, 32, 48]), [2, 5, 8, 11], 0),
        (FullAdapterXL(channels=WIDTHS), [3, 5, 8], 1),
    ],
    ids=["full", "grey", "light", "xl"],
)
def test_adapters_are_built_from_shapes_and_say_where_they_add(
    module: Any, input_blocks: list[int], middle: int
) -> None:
    config = find_t2i_adapter(header(module))
    again, adapter = build_t2i_adapter(config), T2iAdapter(config)
    again.load_state_dict(module.state_dict())
    assert adapter.hint_size(16, 16) == (128, 128)
    hint = torch.linspace(0, 1, 3 * 128 * 128).reshape(1, 3, 128, 128)
    found = adapter.prepare(again, hint)
    added = {block: tensor for block, tensor in enumerate(found.of(INPUT)) if tensor is not None}
    expected = module(hint.mean(1, keepdim=True) if config.input_channels == 1 else hint)
    assert list(added) == input_blocks
    assert len(found.of(MIDDLE)) == middle
    for tensor, feature in zip((*added.values(), *found.of(MIDDLE)), expected, strict=True):
        assert torch.equal(tensor, feature)


def test_hints_for_stable_diffusion_xl_reach_to_whole_cells_of_16_pixels() -> None:
    adapter = T2iAdapter(find_t2i_adapter(header(FullAdapterXL(channels=WIDTHS))))
    assert adapter.hint_size(9, 10) == (80, 80)


def test_odd_sides_are_filled_with_zeros_on_both_ends() -> None:
    pooled = PaddedPool()(torch.ones(1, 1, 3, 4))
    assert pooled.tolist() == [[[[0.5, 0.5], [1.0, 1.0]]]]


def test_other_files_are_refused() -> None:
    for key, shape in (("a", (1,)), ("conv_in.weight", (16, 192, 3, 3))):
        with pytest.raises(LayoutError, match="no T2I adapter"):
            find_t2i_adapter(Header(Path("x"), {key: TensorInfo("F32", shape)}))
