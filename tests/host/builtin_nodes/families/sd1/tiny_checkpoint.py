"""A Stable Diffusion 1 checkpoint small enough for tests, in the layout of the real ones, with random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Module
from transformers import CLIPTextConfig

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.module import build_vae
from host.builtin_nodes.families.kl_vae.names import module_names
from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.builtin_nodes.families.ldm_unet.module import build_unet
from host.builtin_nodes.families.ldm_unet.names import original_names
from host.builtin_nodes.text.clip_model import clip_text_model
from sdk.models import CONFIG_METADATA
from tests.host.builtin_nodes.families.real_headers import real_files

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer.text_model."
HEADS = {"unet.heads": 4, "clip_l.heads": 2}

UNET = UnetConfig(
    in_channels=4,
    out_channels=4,
    channels=[32, 32, 64, 64],
    down_depths=[[1, 1], [1, 1], [1, 1], [0, 0]],
    up_depths=[[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]],
    middle_depth=1,
    context_channels=32,
    heads=[4, 4, 4, 4],
    model_channels=32,
    time_channels=128,
    linear_projections=False,
)
VAE = KlVaeConfig(latent_channels=4, channels=[32, 32, 32, 32], layers=2, quantised=True)


@dataclass(frozen=True)
class TinyCheckpoint:
    """The file, and the modules it was made from."""

    path: Path
    unet: Module
    text_encoder: Module
    vae: Module


def write_tiny_checkpoint(path: Path) -> TinyCheckpoint:
    """A new checkpoint; its weights are always the same."""
    torch.manual_seed(0)
    unet, vae = build_unet(UNET), build_vae(VAE)
    config = CLIPTextConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, eos_token_id=49407
    )
    text = clip_text_model(config)
    keys = real_files()["sd15_full"]["tensors"]
    tensors = {
        **_renamed(unet, original_names(_below(UNET_PREFIX, keys)), UNET_PREFIX),
        **_renamed(vae, module_names(_below(VAE_PREFIX, keys)), VAE_PREFIX),
        **{TEXT_PREFIX + name: tensor for name, tensor in text.state_dict().items()},
    }
    shapes = {key: shape for key, (_, shape) in keys.items()}
    tensors = {key: tensor.reshape([*tensor.shape, 1, 1]) if len(shapes[key]) > tensor.ndim else tensor
               for key, tensor in tensors.items()}  # fmt: skip
    save_file({key: t.contiguous() for key, t in tensors.items()}, path, {CONFIG_METADATA: json.dumps(HEADS)})
    return TinyCheckpoint(path, unet, text, vae)


def _below(prefix: str, keys: dict[str, object]) -> list[str]:
    return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]


def _renamed(module: Module, names: dict[str, str], prefix: str) -> dict[str, Tensor]:
    return {prefix + names[name]: tensor for name, tensor in module.state_dict().items()}
