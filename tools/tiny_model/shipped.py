"""The shipped checkpoint as trainable modules: where the small add-ons (LoRA, word, control network) start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel

from tools.tiny_model.architecture import LATENT_SCALE, build_text_encoder, build_unet, build_vae
from tools.tiny_model.layout import original_layout

CHECKPOINT = Path("models/checkpoints/tiny-shapes.safetensors")


@dataclass(frozen=True)
class Shipped:
    """UNet, autoencoder and text encoder, in fp32, frozen."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: CLIPTextModel

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Latents of unit variance [B, 4, h, w] of pictures [B, 3, 8h, 8w] in -1..1."""
        return self.vae.encode(pictures).latent_dist.mean * LATENT_SCALE

    def context(self, tokens: Tensor) -> Tensor:
        """Text states [B, 77, 64] of token ids [B, 77]."""
        return self.text(tokens).last_hidden_state


def load_shipped(checkpoint: Path = CHECKPOINT) -> Shipped:
    """Read a checkpoint in the single-file layout back into the modules it was exported from."""
    stored = load_file(checkpoint)
    unet, vae, text = build_unet(), build_vae(), build_text_encoder()
    modules = {"unet": unet, "vae": vae, "text": text}
    # Each tensor's name travels through the export as a number, which tells the key it ended up under.
    names = [(part, name) for part, module in modules.items() for name in module.state_dict()]
    numbered = {
        entry: torch.full_like(modules[entry[0]].state_dict()[entry[1]], i, dtype=torch.float32)
        for i, entry in enumerate(names)
    }
    parts = {part: {name: numbered[part, name] for owner, name in names if owner == part} for part in modules}
    keys = original_layout(parts["unet"], parts["vae"], parts["text"])
    states: dict[str, dict[str, Tensor]] = {part: {} for part in modules}
    for key, number in keys.items():
        part, name = names[int(number.flatten()[0])]
        states[part][name] = stored[key].float().reshape(numbered[part, name].shape)
    for part, module in modules.items():
        missing, unexpected = module.load_state_dict(states[part], strict=False)
        if unexpected or [name for name in missing if not name.endswith("position_ids")]:
            raise SystemExit(f"{checkpoint} does not fit the {part}: missing {missing}, unexpected {unexpected}")
        module.requires_grad_(False).eval()
    return Shipped(unet, vae, text)
