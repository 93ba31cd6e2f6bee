"""Names of the trained modules' tensors in the single-file layout of Stable Diffusion 1.x."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from host.builtin_nodes.families.kl_vae.original import original_names
from host.builtin_nodes.families.ldm_unet.original import original_paths


def original_layout(
    unet: Mapping[str, Tensor], vae: Mapping[str, Tensor], text: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """One state dict with the usual prefixes; the autoencoder's attention as 1x1 convolutions."""
    levels = {name.split(".")[1] for name in unet if name.startswith("down_blocks.")}
    layers = [
        len({name.split(".")[3] for name in unet if name.startswith(f"down_blocks.{level}.resnets.")})
        for level in sorted(levels)
    ]
    paths, names = original_paths(unet, layers), original_names(vae)
    state = {f"model.diffusion_model.{paths[name]}": value for name, value in unet.items()}
    for name, value in vae.items():
        is_linear = ".attentions." in name and name.endswith("weight") and value.ndim == 2
        state[f"first_stage_model.{names[name]}"] = value[:, :, None, None] if is_linear else value
    state |= {
        f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}": value
        for name, value in text.items()
        if not name.endswith("position_ids")
    }
    return state
