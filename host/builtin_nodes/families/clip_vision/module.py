"""Builds transformers' image encoders for their layouts."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from typing import Any

import torch
from torch.nn import Module
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, SiglipVisionConfig, SiglipVisionModel

from host.builtin_nodes.families.clip_vision.layout import SIGLIP, ClipVisionLayout


class SiglipEncoder(Module):
    """SigLIP's image encoder without its pooling head, under the name that its files give it."""

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        model: Any = SiglipVisionModel(config)
        self.vision_model = getattr(model, "vision_model", model)

    def forward(self, pixel_values: torch.Tensor, **options: Any) -> Any:
        """See transformers' ``SiglipVisionModel``."""
        return self.vision_model(pixel_values=pixel_values, **options)


def build_clip_vision(layout: ClipVisionLayout) -> Module:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    config: dict[str, Any] = {
        "hidden_size": layout.width,
        "intermediate_size": layout.mlp,
        "num_hidden_layers": layout.layers,
        "num_attention_heads": layout.heads,
        "image_size": layout.image_size,
        "patch_size": layout.patch,
        "hidden_act": layout.activation,
    }
    module: Any
    if layout.kind == SIGLIP:
        module = SiglipEncoder(SiglipVisionConfig(vision_use_head=False, **config))
    else:
        module = CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=layout.projection, **config))
    embeddings = module.vision_model.embeddings
    # No file needs to hold this buffer, so it must not stay on the meta device.
    positions = torch.arange(embeddings.num_positions, device="cpu")
    embeddings.register_buffer("position_ids", positions[None], persistent=False)
    built: Module = module.eval().requires_grad_(False)
    return built
