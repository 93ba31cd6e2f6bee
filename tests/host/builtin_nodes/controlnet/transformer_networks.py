"""Control networks for transformers of a few channels, as diffusers has them, and files of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxControlNetModel, SD3ControlNetModel
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.controlnet.plugin import register_model_families
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA, ModelHandle
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, SD3

FACTS = {"flux.rotary": list(FLUX.rotary), "mmdit.heads": SD3.heads}


def sd3_network(**changes: Any) -> SD3ControlNetModel:
    """One that fits ``small_sd3``; by default with joint blocks."""
    options = {
        "sample_size": 8,
        "num_layers": 2,
        "attention_head_dim": SD3.hidden // SD3.heads,
        "num_attention_heads": SD3.heads,
        "joint_attention_dim": SD3.context_channels,
        "caption_projection_dim": SD3.hidden,
        "pooled_projection_dim": SD3.pooled_channels,
        "pos_embed_max_size": SD3.positions,
        "qk_norm": "rms_norm",
    }
    return _filled(SD3ControlNetModel(**{**options, **changes}))


def flux_network(**changes: Any) -> FluxControlNetModel:
    """One that fits ``small_flux``; by default for latents of one kind."""
    options = {
        "num_layers": 2,
        "num_single_layers": 1,
        "attention_head_dim": FLUX.hidden // FLUX.heads,
        "num_attention_heads": FLUX.heads,
        "joint_attention_dim": FLUX.context_channels,
        "pooled_projection_dim": FLUX.pooled_channels,
        "guidance_embeds": True,
        "axes_dims_rope": list(FLUX.rotary),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return _filled(FluxControlNetModel(**{**options, **changes}))


def _filled(module: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2)
    return module.eval().requires_grad_(False)


def opened(tensors: Mapping[str, Tensor], folder: Path) -> tuple[ModelManager, ModelHandle]:
    """A file of these tensors, opened as the host opens it: (who has the weights, the network)."""
    path = folder / "network.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, {CONFIG_METADATA: json.dumps(FACTS)})
    settings = ModelSettings(device="cpu", dtype="fp32")
    manager = ModelManager(Library([folder]), register_model_families(), [], CpuDevice(), settings)
    return manager, manager.open(path)["controlnet"]
