"""Puts further tokens behind a prompt's, and says how much attention they get."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sdk import NodeError

ATTENTION_MASK = "attention_mask"
"""Option of a conditioning entry: what is added to attention's scores, [batch, n + 1, n + 1] for a prompt of n tokens.

Rows are who looks, columns who is looked at; the last of each stands for every cell of the image.
"""


def joined(conditioning: Sequence[Sequence[Any]], tokens: Tensor, attention: float = 1.0) -> list[list[Any]]:
    """The conditioning with tokens behind those of each prompt.

    Args:
        tokens: [1, token, width].
        attention: how many times as much the prompt and the image look at them as they would; for models whose prompt
            and image share their attention.

    Raises:
        NodeError: prompts have another width.
    """
    return [_joined(text, options, tokens, attention) for text, options in conditioning]


def for_cells(mask: Tensor, cells: int) -> Tensor:
    """An ``ATTENTION_MASK`` with a row and a column for each cell of the image: [batch, n + cells, n + cells]."""
    text = mask.shape[-1] - 1
    each = torch.cat([torch.arange(text), torch.full((cells,), text)]).to(mask.device)
    return mask[:, each][:, :, each]


def _joined(text: Tensor, options: Mapping[str, Any], tokens: Tensor, attention: float) -> list[Any]:
    if text.shape[-1] != tokens.shape[-1]:
        raise NodeError(
            f"The style network makes tokens of {tokens.shape[-1]} channels, the prompt's have {text.shape[-1]}. "
            "Use a style network that was trained for this model."
        )
    both = torch.cat([text, tokens.to(text).expand(len(text), -1, -1)], dim=1)
    if attention == 1.0 and ATTENTION_MASK not in options:
        return [both, dict(options)]
    mask = options.get(ATTENTION_MASK)
    known = text.shape[1]
    mask = torch.zeros(len(text), known + 1, known + 1) if mask is None else mask.float()
    return [both, {**options, ATTENTION_MASK: _widened(mask, known, tokens.shape[1], attention)}]


def _widened(mask: Tensor, known: int, added: int, attention: float) -> Tensor:
    """The mask with ``added`` tokens after the first ``known``; these look at everything alike."""
    size = mask.shape[-1] + added
    wide = torch.zeros(mask.shape[0], size, size)
    others = torch.cat([torch.arange(known), torch.arange(known + added, size)])
    wide[:, others[:, None], others] = mask
    wide[:, others, known : known + added] = math.log(attention) if attention > 0 else -math.inf
    return wide
