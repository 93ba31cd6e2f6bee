"""Nodes for models that take no prompt and work on pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from sdk import Conditioning, Latent, Model, NodeContext, Range, node

WEIGHTS = Path(__file__).parent / "weights" / "tiny-shapes-ddpm.safetensors"
CATEGORY = "tiny ddpm"
MULTIPLE = 4
"""The network halves the resolution twice."""


@node(id="LoadTinyShapesDdpm", title="Load Tiny DDPM", category=CATEGORY, names=["model"])
def load_tiny_ddpm(context: NodeContext) -> Model:
    """Open the model that comes with the pack: it draws discs and squares of 16 by 16 pixels.

    Any other file of the family opens with the built-in loaders.
    """
    return context.models.open(WEIGHTS)["denoiser"]


@node(id="EmptyPixels", title="Empty Pixels", category=CATEGORY, names=["pixels"])
def empty_pixels(
    width: Annotated[int, Range(8, 512, MULTIPLE)] = 16,
    height: Annotated[int, Range(8, 512, MULTIPLE)] = 16,
    batch_size: Annotated[int, Range(1, 4096)] = 16,
) -> Latent:
    """Where the sampling of a model on pixels begins.

    Args:
        width: In pixels, a multiple of 4.
        height: In pixels, a multiple of 4.
        batch_size: How many images are made.
    """
    import torch

    rows, columns = height - height % MULTIPLE, width - width % MULTIPLE
    return {"samples": torch.zeros(batch_size, 3, rows, columns)}


@node(id="NoPrompt", title="No Prompt", category=CATEGORY, names=["nothing"])
def no_prompt() -> Conditioning:
    """What a sampler's prompt inputs get where a model takes none."""
    import torch

    return [[torch.zeros(1, 1, 1), {}]]
