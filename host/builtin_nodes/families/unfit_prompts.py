"""Refuses prompts from text encoders that don't belong to a model, before it computes with them."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from sdk import NodeError

_WIDTHS = ("joint_attention_dim", "cross_attention_dim")
"""What networks' configurations call the width of a prompt's states."""


class UnfitPrompt(NodeError):
    """A prompt was encoded for another model.

    Attributes:
        found: what is wrong with it, in a few words.
        wanted: how many channels there should be.
    """

    def __init__(self, found: str, wanted: int) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = found, wanted

    def __str__(self) -> str:
        return (
            f"A prompt {self.found}; this model wants one of {self.wanted} channels. "
            "Encode the prompt with the text encoders that belong to the model."
        )


def pooled_vector(options: Mapping[str, Any], channels: int) -> Tensor | None:
    """The pooled vector [1 or batch, channels] among a conditioning entry's options; None without one.

    Raises:
        UnfitPrompt: it is of another width.
    """
    pooled: Tensor | None = options.get("pooled_output")
    if pooled is not None and pooled.shape[-1] != channels:
        raise UnfitPrompt(f"has a pooled vector of {pooled.shape[-1]} channels", channels)
    return pooled


def pooled_vector_or_zeros(options: Mapping[str, Any], channels: int) -> Tensor:
    """The same, zeros [1, channels] without one."""
    pooled = pooled_vector(options, channels)
    return torch.zeros(1, channels) if pooled is None else pooled


def check_states(states: Tensor, module: Module) -> None:
    """Refuse states [1 or batch, length, channels] of another width than a network takes, if it says what it takes.

    Raises:
        UnfitPrompt: they are.
    """
    config = getattr(module, "config", None)
    found = (config.get(name) for name in _WIDTHS) if isinstance(config, Mapping) else ()
    wanted = next((width for width in found if isinstance(width, int)), states.shape[-1])
    if states.shape[-1] != wanted:
        raise UnfitPrompt(f"has {states.shape[-1]} channels for each token", wanted)
