"""Builds the halves of diffusers' tiny autoencoder."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from torch.nn import Module, ModuleDict

from host.builtin_nodes.families.taesd.layout import DECODER, ENCODER, WIDTH, TinyVaeLayout

_COLOURS = 3
_WIDTHS = (WIDTH,) * 4


def build_tiny_vae(layout: TinyVaeLayout) -> Module:
    """A module with ``encoder`` and ``decoder``, as far as the file has them, in evaluation mode."""
    halves: dict[str, Module] = {}
    if ENCODER in layout.halves:
        halves[ENCODER] = EncoderTiny(_COLOURS, layout.latent_channels, (1, 3, 3, 3), _WIDTHS, "relu")
    if DECODER in layout.halves:
        halves[DECODER] = DecoderTiny(layout.latent_channels, _COLOURS, (3, 3, 3, 1), _WIDTHS, 2, "relu", "nearest")
    return ModuleDict(halves).eval().requires_grad_(False)
