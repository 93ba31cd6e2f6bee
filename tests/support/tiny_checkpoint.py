"""A checkpoint in the single-file layout of Stable Diffusion 1.x with random weights: real in form, quick in use.

``python -m tests.support.tiny_checkpoint FILE`` writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from tools.tiny_model.layout import original_layout

WIDTH, HEADS, SEED = 32, 4, 20240229
CHANNELS = (WIDTH,) * 4
CONFIG = {"unet.heads": HEADS, "clip_l.heads": HEADS}


def write_tiny_checkpoint(path: Path, widths: tuple[int, ...] = CHANNELS) -> Path:
    """Write the checkpoint, about 6 MB in half precision; equal bytes each time. ``widths`` are the UNet's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        state = original_layout(_weights(_unet(widths)), _weights(_vae()), _weights(_text_encoder()))
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {key: value.half().contiguous() for key, value in state.items()}
    save_file(halves, path, metadata={"comfy_nodes.config": json.dumps(CONFIG)})
    return path


def _weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def _unet(widths: tuple[int, ...]) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=HEADS,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=4,
    )


def _text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            bos_token_id=49406,
            eos_token_id=49407,
        )
    )


if __name__ == "__main__":
    write_tiny_checkpoint(Path(sys.argv[1]))
