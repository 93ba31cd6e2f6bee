"""Nodes that make empty latents for sound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Latent, NodeType, Range, hookimpl, node

Batch = Annotated[int, Range(1, 4096)]
_RATE = 44100
_FILLED = ("A latent to be filled by a sampler.",)


@node(id="EmptyLatentAudio", title="Empty Latent Audio", category="latent/audio", output_tooltips=_FILLED)
def empty_latent_audio(seconds: Annotated[float, Range(1.0, 1000.0, 0.1)] = 47.6, batch_size: Batch = 1) -> Latent:
    """An empty latent sound for Stable Audio.

    Args:
        seconds: Length of the sound to be.
        batch_size: How many sounds are made at once.
    """
    import torch

    length = round(seconds * _RATE / 2048 / 2) * 2
    return {"samples": torch.zeros(batch_size, 64, length), "type": "audio"}


@node(id="EmptyAceStepLatentAudio", category="latent/audio", output_tooltips=_FILLED)
def empty_ace_step_latent_audio(
    seconds: Annotated[float, Range(1.0, 1000.0, 0.1)] = 120.0, batch_size: Batch = 1
) -> Latent:
    """An empty latent sound for ACE-Step.

    Args:
        seconds: Length of the sound to be.
        batch_size: How many sounds are made at once.
    """
    import torch

    length = int(seconds * _RATE / 512 / 8)
    return {"samples": torch.zeros(batch_size, 8, 16, length), "type": "audio"}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make empty latent sounds."""
    return [empty_latent_audio, empty_ace_step_latent_audio]
