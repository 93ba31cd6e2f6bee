"""Transformers of a few channels with random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from host.builtin_nodes.families.flux.config import FluxConfig, layer_table
from host.builtin_nodes.families.flux.module import build_flux
from host.builtin_nodes.families.sd3.config import Sd3Config
from host.builtin_nodes.families.sd3.module import build_sd3

FLUX = FluxConfig(
    hidden=32,
    heads=2,
    double_blocks=2,
    single_blocks=2,
    context_channels=12,
    pooled_channels=6,
    in_channels=16,
    guidance=True,
    rotary=(4, 6, 6),
    original_layout=True,
)
SD3 = Sd3Config(
    hidden=32,
    heads=2,
    blocks=3,
    patch=2,
    in_channels=16,
    context_channels=12,
    pooled_channels=6,
    positions=4,
    normed_heads=True,
    dual_blocks=[0],
    original_layout=True,
)


def small_flux(**changes: Any) -> Any:
    """The module of ``FLUX`` with some fields changed."""
    torch.manual_seed(0)
    return _filled(build_flux(replace(FLUX, **changes)))


def small_sd3(**changes: Any) -> Any:
    """The module of ``SD3`` with some fields changed."""
    torch.manual_seed(0)
    return _filled(build_sd3(replace(SD3, **changes)))


def _filled(module: Any) -> Any:
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.normal_(std=0.2)
    return module


def flux_in_original_layout() -> dict[str, torch.Tensor]:
    """The weights of ``small_flux`` as files in the original layout have them."""
    own, stored = small_flux().state_dict(), {}
    for original, layers in layer_table(FLUX).layers.items():
        for kind in ("weight", "bias"):
            rows = [own[f"{layer}.{kind}"] for layer in layers if f"{layer}.{kind}" in own]
            if rows:
                stored[f"{original}.{'scale' if '_norm' in original else kind}"] = torch.cat(rows)
    return stored


def inputs(height: int = 4, width: int = 6, *, batch: int = 1) -> dict[str, torch.Tensor]:
    """Arguments of ``forward`` for either."""
    return {
        "x": torch.randn(batch, 16, height, width),
        "timestep": torch.full((batch,), 0.5),
        "context": torch.randn(batch, 5, 12),
        "vector": torch.randn(batch, 6),
    }
