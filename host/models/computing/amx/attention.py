"""Attention between float32 tensors on the CPU's tile units."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_float, c_int, c_long, c_void_p
from functools import cache
from pathlib import Path

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253
from torch.nn.functional import scaled_dot_product_attention  # noqa: TID253

from host.models.computing.amx.building import load_kernels

LEAST_KEYS = 256
"""For fewer keys, packing them takes as long as is saved."""


class _Strides(ctypes.Structure):
    """``Strides`` of ``attention.cpp``."""

    _fields_ = [(name, c_long) for name in ("batch", "head", "token")]


class _Attention(ctypes.Structure):
    """``Attention`` of ``attention.cpp``."""

    _fields_ = [
        *((name, c_long) for name in ("batch", "heads", "queries", "keys", "depth", "values")),
        *((name, _Strides) for name in ("query", "key", "value")),
        ("scale", c_float),
    ]


def attention_with(kernels: Path | None) -> Callable[..., Tensor]:
    """A function with the arguments of ``scaled_dot_product_attention``, for use in code that is compiled, too.

    What the kernels don't do is left to torch: masks, causal attention, few keys, other dtypes, gradients.

    Args:
        kernels: the folder that ``load_kernels`` keeps them in.
    """
    define_operation()
    folder = "" if kernels is None else str(kernels)

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        plain = attn_mask is None and not dropout_p and not is_causal and not enable_gqa
        if plain and _suit(query, key, value):
            factor = query.shape[-1] ** -0.5 if scale is None else scale
            return torch.ops.comfy_nodes.attention(query, key, value, factor, folder)  # type: ignore[no-any-return]
        return scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )

    return attend


def _suit(query: Tensor, key: Tensor, value: Tensor) -> bool:
    tensors = (query, key, value)
    return (
        key.shape[-2] >= LEAST_KEYS
        and not torch.is_grad_enabled()
        and all(each.dim() == 4 and each.dtype == torch.float32 and each.device.type == "cpu" for each in tensors)
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
    )


@cache
def define_operation() -> None:
    """Let torch know the operation that compiled code calls; a process can do so once."""
    operation = torch.library.custom_op("comfy_nodes::attention", _attend, mutates_args=())
    operation.register_fake(_shape_of_attention)


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float, folder: str) -> Tensor:
    query, key, value = (each if each.stride(-1) == 1 else each.contiguous() for each in (query, key, value))
    batch, heads, queries, depth = query.shape
    out = query.new_empty(batch, queries, heads, value.shape[-1])
    sizes = (batch, heads, queries, key.shape[2], depth, value.shape[-1])
    strides = (_Strides(*each.stride()[:3]) for each in (query, key, value))
    pointers = (each.data_ptr() for each in (query, key, value, out))
    _kernel(folder)(_Attention(*sizes, *strides, scale), *pointers, torch.get_num_threads())
    return out.transpose(1, 2)


@cache
def _kernel(folder: str) -> Callable[..., None]:
    kernel = load_kernels(Path(folder) if folder else None).attend
    kernel.argtypes, kernel.restype = [ctypes.POINTER(_Attention), *[c_void_p] * 4, c_int], None
    return kernel


def _shape_of_attention(query: Tensor, key: Tensor, value: Tensor, scale: float, folder: str) -> Tensor:
    batch, heads, queries, _ = query.shape
    return query.new_empty(batch, queries, heads, value.shape[-1]).transpose(1, 2)
