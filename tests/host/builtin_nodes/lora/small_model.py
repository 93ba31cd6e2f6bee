"""A checkpoint with a denoiser and a text encoder of a few layers, and a model manager that knows all patch formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from host.builtin_nodes.lora.names import clip_text_names, unet_names
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk.models import Header, Identity, ModelHandle, Part, Refusal, TensorSource

CHANNELS, WIDTH = 6, 4


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed numbers, the same for the same shape and seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Denoiser(nn.Module):
    """A convolution and an attention's two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(CHANNELS, CHANNELS, 3)
        self.block = nn.ModuleDict({"attn1": nn.ModuleDict({"to_q": nn.Linear(CHANNELS, CHANNELS, bias=False)})})
        self.out = nn.Linear(CHANNELS, CHANNELS)


class TextEncoder(nn.Module):
    """One linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.final = nn.Linear(WIDTH, WIDTH)


BUILDERS = {"denoiser": Denoiser, "text_encoder": TextEncoder}


class SmallFamily:
    """Files whose keys are a part's name and the module's name for a tensor."""

    name = "small"

    def identify(self, header: Header) -> Identity | Refusal:
        if "denoiser.conv_in.weight" not in header.tensors:
            return Refusal("has no convolution")
        return Identity(family=self.name, kind="checkpoint", config={}, because="it has the convolution")

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        return [_part(name, header) for name in BUILDERS]


def _part(name: str, header: Header) -> Part:
    prefix = f"{name}."
    weights = {key.removeprefix(prefix): TensorSource(key) for key in header.tensors if key.startswith(prefix)}

    def patch_names() -> Mapping[str, str | TensorSource]:
        if name == "text_encoder":
            return clip_text_names(weights)
        return unet_names({weight: source.key for weight, source in weights.items()}, prefix)

    return Part(name=name, build=BUILDERS[name], weights=weights, patch_names=patch_names)


def small_manager(folder: Path) -> tuple[ModelManager, Mapping[str, ModelHandle]]:
    """A manager, and the handles of a checkpoint that is written into the folder."""
    tensors = {
        f"{part}.{name}": drawn(*tensor.shape, seed=len(name))
        for part, build in BUILDERS.items()
        for name, tensor in build().state_dict().items()
    }
    save_file(tensors, folder / "small.safetensors")
    manager = ModelManager(Library([folder]), [SmallFamily()], register_patch_formats(), CpuDevice())
    return manager, manager.open(folder / "small.safetensors")


def weights_of(manager: ModelManager, handle: ModelHandle) -> dict[str, Tensor]:
    """Copies of a part's weights as they are under a handle."""
    with manager.borrow(handle) as module:
        return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def lora_layer(stem: str, outputs: int, inputs: int, rank: int = 2, seed: int = 0) -> dict[str, Any]:
    """A LoRA layer's tensors as kohya's trainers write them, with alpha 1."""
    return {
        f"{stem}.lora_up.weight": drawn(outputs, rank, seed=seed),
        f"{stem}.lora_down.weight": drawn(rank, inputs, seed=seed + 1),
        f"{stem}.alpha": torch.tensor(1.0),
    }
