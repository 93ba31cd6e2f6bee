"""The shapes of the small model, in the terms of diffusers and transformers.

Sixty-four channels at the outermost level are the least that works: with the layout's 32 groups,
GroupNorm over 32 channels would normalise every channel by itself and erase flat colours.
"""

from __future__ import annotations

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

CHANNELS = (64, 64, 128, 128)
CONTEXT = 64
UNET_HEADS = 8
TEXT_HEADS = 4
LATENT_SCALE = 0.18215


def build_vae() -> AutoencoderKL:
    """KL-f8 autoencoder: [B, 3, 8h, 8w] in -1..1 to latents [B, 4, h, w] and back."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=32,
    )


def build_unet() -> UNet2DConditionModel:
    """Noise predictor over latents [B, 4, h, w], a step number and context [B, 77, 64]."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        cross_attention_dim=CONTEXT,
        attention_head_dim=UNET_HEADS,
        norm_num_groups=32,
    )


def build_text_encoder() -> CLIPTextModel:
    """CLIP text transformer with the full vocabulary: ids [B, 77] to states [B, 77, 64]."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=CONTEXT,
            intermediate_size=4 * CONTEXT,
            num_hidden_layers=4,
            num_attention_heads=TEXT_HEADS,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            layer_norm_eps=1e-5,
            bos_token_id=49406,
            eos_token_id=49407,
        )
    )
