"""Control networks whose files have but changes of low rank to the model's weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from host.builtin_nodes.controlnet.errors import UnsupportedControl
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.plugin import register_model_families
from host.builtin_nodes.controlnet.residuals import MIDDLE, SKIP
from host.builtin_nodes.families.ldm_unet.original import original_paths
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA, ModelHandle
from sdk.models import RUN_EAGERLY
from tests.host.builtin_nodes.controlnet.original_layout import original_key

WIDTHS, HEADS, RANK = (32, 64), 4, 4
HINT = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
OPTIONS: dict[str, Any] = {
    "block_out_channels": WIDTHS,
    "attention_head_dim": HEADS,
    "cross_attention_dim": 16,
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
}


def unet(**changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    up = ("UpBlock2D", "CrossAttnUpBlock2D")
    return UNet2DConditionModel(**{**OPTIONS, "up_block_types": up, **changes}).eval().requires_grad_(False)


def network() -> ControlNetModel:
    torch.manual_seed(1)
    module = ControlNetModel(**OPTIONS, conditioning_embedding_out_channels=(8, 16, 24, 32))
    for parameter in module.parameters():
        if not torch.count_nonzero(parameter):
            nn.init.normal_(parameter, std=0.1)
    return module.eval().requires_grad_(False)


def file_of(model: UNet2DConditionModel, module: ControlNetModel) -> dict[str, Tensor]:
    """The network as changes to the model, whose weights it gets with them; norms and biases are its own."""
    own, generator = module.state_dict(), torch.Generator().manual_seed(2)
    shared = {name: value for name, value in model.state_dict().items() if name in own}
    paths = original_paths(list(shared), [1, 1])
    stored = {"lora_controlnet": torch.zeros(0)}
    for name, value in own.items():
        key = original_key(name, paths)
        if name not in shared or value.ndim < 2:
            stored[key] = value
            continue
        up = torch.randn(value.shape[0], RANK, generator=generator) * 0.1
        down = torch.randn(RANK, *value.shape[1:], generator=generator) * 0.1
        value.copy_(shared[name] + (up @ down.flatten(1)).reshape(value.shape))
        stem = key.removesuffix(".weight")
        stored[f"{stem}.up"] = up.reshape(*up.shape, *[1] * (value.ndim - 2))
        stored[f"{stem}.down"] = down
    # A bias that the file lacks is the model's, too.
    stored.pop("time_embed.0.bias")
    own["time_embedding.linear_1.bias"].copy_(shared["time_embedding.linear_1.bias"])
    return stored


def opened(tensors: dict[str, Tensor], folder: Path) -> tuple[ModelManager, ModelHandle]:
    path = folder / "control-lora.safetensors"
    save_file(tensors, path, {CONFIG_METADATA: json.dumps({"unet.heads": HEADS})})
    settings = ModelSettings(device="cpu", dtype="fp32")
    manager = ModelManager(Library([folder]), register_model_families(), [], CpuDevice(), settings)
    return manager, manager.open(path)["controlnet"]


def call(model: Any) -> ControlCall:
    x, context = torch.ones(2, 4, 8, 8), torch.ones(2, 3, 16)
    return ControlCall(x=x, timestep=torch.tensor([5.0, 5.0]), context=context, model=model)


def residuals(manager: ModelManager, handle: ModelHandle, asked: ControlCall) -> list[Any]:
    with manager.borrow(handle) as module:
        found = handle.adapter.residuals(module, handle.adapter.prepare(module, HINT), asked)
    return [*found.of(SKIP), *found.of(MIDDLE)]


def test_weights_are_the_model_s_with_the_file_s_changes(tmp_path: Path) -> None:
    model, module = unet(), network()
    manager, handle = opened(file_of(model, module), tmp_path)
    asked = call(model)
    down, middle = module(asked.x, asked.timestep, asked.context, HINT, return_dict=False)
    for found, expected in zip(residuals(manager, handle, asked), [*down, middle], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_change_of_the_model_changes_what_it_lends_and_nothing_is_kept_of_it(tmp_path: Path) -> None:
    model, module = unet(), network()
    manager, handle = opened(file_of(model, module), tmp_path)
    before = residuals(manager, handle, call(model))
    model.conv_in.weight.mul_(2)
    after = residuals(manager, handle, call(model))
    assert not torch.allclose(before[0], after[0])
    with manager.borrow(handle) as borrowed:
        assert not any("lender" in vars(layer) for layer in borrowed.modules())
        assert getattr(borrowed, RUN_EAGERLY)


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    manager, handle = opened(file_of(unet(), network()), tmp_path)
    with pytest.raises(UnsupportedControl, match=r"a layer of shape"):
        residuals(manager, handle, call(unet(block_out_channels=(32, 128))))
    with pytest.raises(UnsupportedControl, match="without a layer"):
        residuals(manager, handle, call(nn.Linear(1, 1)))
