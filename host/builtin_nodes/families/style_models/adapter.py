"""Turns what an image encoder says into tokens beside the prompt's."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sdk import NodeError


@dataclass(frozen=True)
class StyleModelAdapter:
    """How to call a style network.

    Attributes:
        width: of the image encoder's states that it takes.
    """

    width: int

    @torch.no_grad()
    def tokens(self, module: Any, states: Tensor) -> Tensor:
        """Tokens [1, batch x token, width of the prompt], float32 on the CPU: those of all images in one row.

        Args:
            states: an image encoder's last states [batch, token, width].

        Raises:
            NodeError: they are of another width than the network was trained for.
        """
        if states.shape[-1] != self.width:
            raise NodeError(
                f"This style network takes an image encoder's states of {self.width} channels, these have "
                f"{states.shape[-1]}. Encode the image with the encoder that belongs to it."
            )
        weight = next(module.parameters())
        tokens: Tensor = module(states.to(weight.device, weight.dtype))
        return tokens.flatten(0, 1).unsqueeze(0).float().cpu()
