"""Write the trained weights as one checkpoint: ``python -m tools.tiny_model.export TARGET.safetensors``.

The latents' mean and deviation are folded into the autoencoder's two 1x1 convolutions, so that the family's usual
scale of 0.18215 gives latents of unit variance.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sdk.whole_files import whole_file
from tools.tiny_model import checkpoints
from tools.tiny_model.architecture import LATENT_SCALE, TEXT_HEADS, UNET_HEADS
from tools.tiny_model.layout import original_layout

METADATA = {
    "modelspec.architecture": "stable-diffusion-v1",
    "modelspec.title": "comfy-nodes tiny shapes",
    "modelspec.license": "Apache-2.0",
    "modelspec.description": "Coloured shapes on coloured backgrounds, 64 to 128 px. See tools/tiny_model.",
    "comfy_nodes.config": json.dumps({"unet.heads": UNET_HEADS, "clip_l.heads": TEXT_HEADS}),
}


def fold_latent_scale(vae: dict[str, Tensor], mean: Tensor, std: Tensor) -> dict[str, Tensor]:
    """The autoencoder whose latents are ``(z - mean) / std / 0.18215`` and whose decoder takes them back."""
    scale = 1 / (std * LATENT_SCALE)
    folded = dict(vae)
    rows = torch.cat([scale, torch.ones_like(scale)])
    shift = torch.cat([-mean * scale, 2 * scale.log()])
    folded["quant_conv.weight"] = vae["quant_conv.weight"] * rows[:, None, None, None]
    folded["quant_conv.bias"] = vae["quant_conv.bias"] * rows + shift
    weight = vae["post_quant_conv.weight"]
    folded["post_quant_conv.weight"] = weight / scale[None, :, None, None]
    folded["post_quant_conv.bias"] = vae["post_quant_conv.bias"] + weight[:, :, 0, 0] @ mean
    return folded


def export(directory: Path, target: Path) -> None:
    trained = {name: checkpoints.load(directory / f"{name}.pt") for name in ("vae", "diffusion", "latents64")}
    if missing := [name for name, state in trained.items() if state is None]:
        raise SystemExit(f"{directory} has no {', '.join(missing)}: train first")
    vae, diffusion, latents = trained["vae"], trained["diffusion"], trained["latents64"]
    state = original_layout(
        {k.removeprefix("unet."): v for k, v in diffusion["ema"].items() if k.startswith("unet.")},
        fold_latent_scale(vae["ema"], latents["mean"], latents["std"]),
        {k.removeprefix("text."): v for k, v in diffusion["ema"].items() if k.startswith("text.")},
    )
    steps = json.dumps({"vae": vae["step"], "diffusion": diffusion["step"]})
    metadata = {**METADATA, "comfy_nodes.training": steps}
    with whole_file(target) as part:
        save_file({key: value.half().contiguous() for key, value in state.items()}, part, metadata=metadata)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {len(state)} tensors, step {diffusion['step']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--directory", type=Path, default=Path("build/tiny_model"))
    options = parser.parse_args()
    export(options.directory, options.target)


if __name__ == "__main__":
    main()
