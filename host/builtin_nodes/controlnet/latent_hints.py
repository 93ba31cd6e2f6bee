"""Hints that are latents, in some networks with a mask beside them."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from torch import Tensor

from host.builtin_nodes.controlnet.errors import MissingMask, WrongVae

PIXELS_PER_CELL = 8
LATENT_CHANNELS = 16


def complete(hint: Tensor, channels: int) -> Tensor:
    """The hint, if it has as many channels as a network takes.

    Args:
        hint: [batch, channel, height, width]: a latent, and a mask where one was given.

    Raises:
        WrongVae: the latent has others than the model's.
        MissingMask: the network takes a mask, too.
    """
    if hint.shape[1] not in (LATENT_CHANNELS, LATENT_CHANNELS + 1):
        raise WrongVae(hint.shape[1], LATENT_CHANNELS)
    if hint.shape[1] < channels:
        raise MissingMask
    return hint[:, :channels]
