"""Models that are stacks of equal linear layers, to be streamed a part at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from host.models.manager import ModelManager
from sdk.models import Header, Identity, ModelHandle, Part, TensorSource
from tests.host.models.doubles import FakeDevice, make_manager

WIDTH, LAYERS = 16, 24
LAYER_BYTES = 4 * WIDTH * WIDTH
BIAS_BYTES = 4 * WIDTH
SIZE = LAYERS * (LAYER_BYTES + BIAS_BYTES)
LEAST = LAYERS * BIAS_BYTES + 3 * LAYER_BYTES
"""With so much it runs."""


class TowerFamily:
    """Knows files that hold a stack of equal linear layers."""

    name = "tower"

    def identify(self, header: Header) -> Identity:
        return Identity(family="tower", kind="denoiser", config={}, because="test")

    def parts(self, header: Header, identity: Identity) -> list[Part]:
        weights = {key: TensorSource(key) for key in header.tensors}
        return [Part(name="denoiser", build=tower, weights=weights)]


def tower() -> nn.Module:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))


def write_tower(path: Path, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    module = tower().requires_grad_(False)
    save_file(module.state_dict(), path)
    return module


def tower_manager(device: FakeDevice) -> ModelManager:
    return make_manager(device, family=TowerFamily())  # type: ignore[arg-type]


def handle_in(manager: ModelManager, path: Path) -> ModelHandle:
    return manager.open(path)["denoiser"]
