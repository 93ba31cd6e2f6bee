"""Says what an image shows, as numbers."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.clip_vision.layout import SIGLIP
from host.builtin_nodes.families.clip_vision.preprocessing import prepare_images

_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_SIGLIP_MEAN = _SIGLIP_STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class VisionOutput:
    """What an image encoder says of images; all tensors are float32 on the CPU.

    Attributes:
        last_hidden_state: states of the last layer [batch, token, width]; SigLIP's are normed.
        penultimate_hidden_states: those of the layer before it.
        image_embeds: the projected summary [batch, width]; for SigLIP, which has none, the last states.
    """

    last_hidden_state: Tensor
    penultimate_hidden_states: Tensor
    image_embeds: Tensor


@dataclass(frozen=True)
class ClipVisionAdapter:
    """How to call an image encoder.

    Attributes:
        kind: ``clip`` or ``siglip``.
        image_size: side of the images it takes, in pixels.
    """

    kind: str
    image_size: int

    @torch.no_grad()
    def encode(self, module: Any, images: Tensor, *, crop: bool) -> VisionOutput:
        """What the encoder says of images [batch, height, width, channel] in 0..1.

        Args:
            crop: cut images to a square around their centre instead of squeezing them into one.
        """
        weight = next(module.parameters())
        mean, std = (_SIGLIP_MEAN, _SIGLIP_STD) if self.kind == SIGLIP else (_CLIP_MEAN, _CLIP_STD)
        pixels = prepare_images(images.to(weight.device, torch.float32), self.image_size, mean, std, crop=crop)
        found = module(pixel_values=pixels.to(weight), output_hidden_states=True, return_dict=True)
        last, before = found.last_hidden_state, found.hidden_states[-2]
        embeds = last if self.kind == SIGLIP else found.image_embeds
        return VisionOutput(*(tensor.float().cpu() for tensor in (last, before, embeds)))
