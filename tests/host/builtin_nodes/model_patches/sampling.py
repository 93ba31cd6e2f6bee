"""Two steps with a tiny model, as a sampler node takes them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from host.builtin_nodes.conditioning.prompts import clip_text_encode
from host.builtin_nodes.latents.sizes import empty_latent_image
from host.builtin_nodes.sampler_nodes import ksampler
from tests.support.node_context import LoneContext


def sampled(context: LoneContext, model: Any, clip: Any, size: int = 64) -> Tensor:
    prompts = [clip_text_encode(text, clip, context) for text in ("a red circle", "")]
    latent = ksampler(
        model=model,
        seed=1,
        steps=2,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        positive=prompts[0],
        negative=prompts[1],
        latent_image=empty_latent_image(size, size, 1),
        denoise=1.0,
        context=context,
    )
    samples: Tensor = latent["samples"]
    return samples
