"""One evaluation of a control network that tells several kinds of hints apart (ControlNet++, xinsir 2024)."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def union_residuals(
    module: Any,
    sample: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    hint: Tensor,
    labels: Tensor | None,
    kinds: Sequence[int],
) -> tuple[list[Tensor], Tensor]:
    """(what is added to the skip connections, what to the middle block) by diffusers' ``ControlNetUnionModel``.

    Args:
        kinds: numbers of what the hint is; none of them lets the network find out by itself.
    """
    embedding = module.time_embedding(module.time_proj(timestep.expand(len(sample))).to(sample.dtype), None)
    if labels is not None:
        embedding = embedding + module.class_embedding(labels)
    embedding = embedding + _told(module, kinds, sample)
    return _down(module, module.conv_in(sample) + _seen(module, hint, kinds), embedding, context)


def _told(module: Any, kinds: Sequence[int], like: Tensor) -> Tensor:
    """The embedding of which kinds the hint is of."""
    marks = torch.zeros(module.config.num_control_type, device=like.device)
    marks[list(kinds)] = 1.0
    told: Tensor = module.control_add_embedding(module.control_type_proj(marks).reshape(1, -1).to(like.dtype))
    return told


def _seen(module: Any, hint: Tensor, kinds: Sequence[int]) -> Tensor:
    """The hint as the network's first features, shifted by what its first kind means."""
    features: Tensor = module.controlnet_cond_embedding(hint)
    if not kinds:
        return features
    # One token for each batch element: attention between them is within the element, whatever the batch.
    token = (features.mean(dim=(2, 3)) + module.task_embedding[kinds[0]]).unsqueeze(0)
    for layer in module.transformer_layes:
        token = torch.cat([layer(one) for one in token.split(1, dim=1)], dim=1)
    return features + module.spatial_ch_projs(token[0])[:, :, None, None]


def _down(module: Any, hidden: Tensor, embedding: Tensor, context: Tensor) -> tuple[list[Tensor], Tensor]:
    taken = [hidden]
    for block in module.down_blocks:
        attends = getattr(block, "has_cross_attention", False)
        extra = {"encoder_hidden_states": context} if attends else {}
        hidden, skips = block(hidden_states=hidden, temb=embedding, **extra)
        taken += skips
    hidden = module.mid_block(hidden, embedding, encoder_hidden_states=context)
    down = [convolution(skip) for skip, convolution in zip(taken, module.controlnet_down_blocks, strict=True)]
    return down, module.controlnet_mid_block(hidden)
