"""``comfy.ldm.modules.attention``: scaled dot-product attention in the layouts that packs use."""

# ruff: noqa: TID253 - packs that import this work with torch
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

__all__ = [
    "attention_basic",
    "attention_pytorch",
    "attention_split",
    "attention_sub_quad",
    "optimized_attention",
    "optimized_attention_for_device",
    "optimized_attention_masked",
]


def optimized_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    mask: Tensor | None = None,
    attn_precision: Any = None,
    skip_reshape: bool = False,
    skip_output_reshape: bool = False,
    **_more: Any,
) -> Tensor:
    """Attention of queries to keys: [batch, tokens, heads * width].

    Args:
        q, k, v: [batch, tokens, heads * width], or with ``skip_reshape`` [batch, heads, tokens, width].
        mask: [tokens, keys], [batch, tokens, keys] or with heads as well: added to the products, or what is True stays.
        skip_output_reshape: give [batch, heads, tokens, width].
    """
    if not skip_reshape:
        q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    if mask is not None:
        mask = mask[None] if mask.ndim == 2 else mask
        mask = mask[:, None] if mask.ndim == 3 else mask
    out = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)


def optimized_attention_for_device(device: Any, mask: bool = False, small_input: bool = False) -> Callable[..., Tensor]:
    """``optimized_attention``: torch itself chooses what is fast on a device."""
    return optimized_attention


attention_basic = attention_pytorch = attention_split = attention_sub_quad = optimized_attention
optimized_attention_masked = optimized_attention
