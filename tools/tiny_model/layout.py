"""Names of the trained modules' tensors in the single-file layout of Stable Diffusion 1.x."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def unet_key(name: str, layers: int, levels_with_attention: set[int]) -> str:
    """The original key of a diffusers UNet tensor, without prefix.

    Args:
        layers: residual blocks at each resolution on the way down.
        levels_with_attention: indices of the ``up_blocks`` that have transformers.
    """
    stem, _, kind = name.rpartition(".")
    if stem in _UNET_ENDS:
        return f"{_UNET_ENDS[stem]}.{kind}"
    if match := _MIDDLE.fullmatch(name):
        group, number, rest = match.groups()
        return f"middle_block.{1 if group == 'attentions' else 2 * int(number)}.{_cell(group, rest)}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        raise ValueError(f"the layout has no place for the UNet's {name!r}")
    way, level, group, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    first = level * (layers + 1)
    if group == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.{rest.replace('conv.', 'op.')}"
    if group == "upsamplers":
        return f"output_blocks.{first + layers}.{2 if level in levels_with_attention else 1}.{rest}"
    block = f"input_blocks.{first + number + 1}" if way == "down" else f"output_blocks.{first + number}"
    return f"{block}.{1 if group == 'attentions' else 0}.{_cell(group, rest)}"


def _cell(group: str, rest: str) -> str:
    if group == "attentions":
        return rest
    stem, _, kind = rest.rpartition(".")
    return f"{_RESIDUAL[stem]}.{kind}"


def vae_key(name: str, levels: int) -> str:
    """The original key of a diffusers AutoencoderKL tensor, without prefix."""
    half, _, rest = name.partition(".")
    if half in ("quant_conv", "post_quant_conv"):
        return name
    if match := _MIDDLE.fullmatch(rest):
        group, number, inner = match.groups()
        stem, _, kind = inner.rpartition(".")
        if group == "attentions":
            return f"{half}.mid.attn_1.{_VAE_ATTENTION[stem]}.{kind}"
        return f"{half}.mid.block_{int(number) + 1}.{inner.replace('conv_shortcut', 'nin_shortcut')}"
    match = _BLOCK.fullmatch(rest)
    if match is None:
        return f"{half}.{rest.replace('conv_norm_out', 'norm_out')}"
    way, level, group, number, inner = match[1], int(match[2]), match[3], match[4], match[5]
    place = f"{half}.{way}.{level if way == 'down' else levels - 1 - level}"
    if group in ("downsamplers", "upsamplers"):
        return f"{place}.{way}sample.{inner}"
    return f"{place}.block.{number}.{inner.replace('conv_shortcut', 'nin_shortcut')}"


def original_layout(
    unet: Mapping[str, Tensor], vae: Mapping[str, Tensor], text: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """One state dict with the usual prefixes; the autoencoder's attention as 1x1 convolutions."""
    attention = {int(name.split(".")[1]) for name in unet if name.startswith("up_blocks.") and ".attentions." in name}
    layers = len({name.split(".")[3] for name in unet if name.startswith("down_blocks.0.resnets.")})
    levels = len({name.split(".")[2] for name in vae if name.startswith("encoder.down_blocks.")})
    state = {f"model.diffusion_model.{unet_key(name, layers, attention)}": value for name, value in unet.items()}
    for name, value in vae.items():
        is_linear = ".attentions." in name and name.endswith("weight") and value.ndim == 2
        state[f"first_stage_model.{vae_key(name, levels)}"] = value[:, :, None, None] if is_linear else value
    state |= {
        f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}": value
        for name, value in text.items()
        if not name.endswith("position_ids")
    }
    return state
