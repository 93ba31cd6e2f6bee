"""Linear layers and convolutions of float32 tensors on the CPU's tile units."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int, c_long, c_void_p

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.low_rank import add_low_rank
from host.models.computing.stand_in import Convolution, Product

MULTIPLE = 32
"""Inputs and outputs are multiples of it: two tiles of 16."""

LEAST_ROWS = 16
"""Below, reading the weights takes longer than their products."""


CACHE_LINE = 64
"""What is written past the caches begins at a multiple of it."""


class _Geometry(ctypes.Structure):
    """``Convolution`` of ``products.cpp``."""

    _fields_ = [
        (name, c_long)
        for name in (
            *("batch", "height", "width", "channels", "out_height", "out_width", "outputs"),
            *("filter_height", "filter_width", "stride_down", "stride_across", "top", "left"),
        )
    ]


class Products:
    """Computes with weights that it has packed: each as two bfloat16 parts, of as many bytes as the weight.

    Results differ from exact ones by some 5e-6 of their size (16 of a number's 24 bits count, sums are float32).

    Args:
        kernels: from ``load_kernels``.
    """

    def __init__(self, kernels: ctypes.CDLL) -> None:
        kernels.pack.argtypes = [c_void_p, c_long, c_long, c_void_p, c_int]
        kernels.convolve.argtypes = [ctypes.POINTER(_Geometry), *[c_void_p] * 4, c_int]
        kernels.add_low_rank.argtypes = [c_void_p, c_void_p, c_void_p, c_long, c_long, c_long, c_float, c_void_p, c_int]
        kernels.pack.restype = kernels.convolve.restype = kernels.add_low_rank.restype = None
        self._kernels = kernels

    def can_multiply(self, product: Product, weight_shape: torch.Size) -> bool:
        """Whether it computes that with a matrix [out, in]."""
        rows = product.x.numel() // product.x.shape[-1]
        return rows >= LEAST_ROWS and _in_tiles(weight_shape)

    def can_convolve(self, convolution: Convolution, weight_shape: torch.Size) -> bool:
        """Whether it computes that with a filter [out, in, height, width]."""
        usual = convolution.groups == 1 and all(step == 1 for step in convolution.dilation)
        return usual and len(weight_shape) == 4 and _in_tiles(weight_shape)

    def pack(self, weight: Tensor) -> Tensor:
        """A weight, as ``multiply`` and ``convolve`` want it."""
        filter_ = weight.permute(0, 2, 3, 1).contiguous() if weight.dim() == 4 else weight.contiguous()
        packed = torch.empty(2 * weight.numel(), dtype=torch.bfloat16)
        outputs = weight.shape[0]
        depth = weight.numel() // outputs
        self._kernels.pack(filter_.data_ptr(), outputs, depth, packed.data_ptr(), torch.get_num_threads())
        return packed

    def multiply(self, product: Product, packed: Tensor, weight_shape: torch.Size) -> Tensor:
        """``x W' + bias`` for ``x`` [..., in]."""
        x, outputs = product.x.contiguous(), weight_shape[0]
        rows = x.numel() // x.shape[-1]
        out = x.new_empty(*x.shape[:-1], outputs)
        one_line = _Geometry(1, 1, rows, x.shape[-1], 1, rows, outputs, 1, 1, 1, 1, 0, 0)
        self._run(one_line, x, packed, product.bias, out)
        return out

    def convolve(self, convolution: Convolution, packed: Tensor, weight_shape: torch.Size) -> Tensor:
        """The convolution of ``x`` [batch, channel, height, width], in channels-last order."""
        x, (outputs, _, height, width) = convolution.x, weight_shape
        (top, left), (down, across) = _two(convolution.padding), _two(convolution.stride)
        out_height = (x.shape[2] + 2 * top - height) // down + 1
        out_width = (x.shape[3] + 2 * left - width) // across + 1
        out = x.new_empty(len(x), out_height, out_width, outputs)
        pixels = x.permute(0, 2, 3, 1).contiguous()
        sizes = (*pixels.shape, out_height, out_width, outputs, height, width, down, across, top, left)
        self._run(_Geometry(*sizes), pixels, packed, convolution.bias, out)
        return out.permute(0, 3, 1, 2)

    def add_low_rank(self, out: Tensor, weight: Tensor, up: Tensor, down: Tensor, factor: float) -> None:
        """See ``AddLowRank``; only the product is inexact."""
        fits = _in_tiles(out.shape) and out.data_ptr() % CACHE_LINE == 0 and weight.is_contiguous()
        if not fits:
            add_low_rank(out, weight, up, down, factor)
            return
        up, down = up.contiguous(), down.contiguous()
        factors = (weight.data_ptr(), up.data_ptr(), down.data_ptr())
        self._kernels.add_low_rank(*factors, *out.shape, up.shape[1], factor, out.data_ptr(), torch.get_num_threads())

    def _run(self, geometry: _Geometry, x: Tensor, packed: Tensor, bias: Tensor | None, out: Tensor) -> None:
        added = None if bias is None else bias.contiguous()
        pointer = None if added is None else added.data_ptr()
        threads = torch.get_num_threads()
        self._kernels.convolve(geometry, x.data_ptr(), packed.data_ptr(), pointer, out.data_ptr(), threads)


def _in_tiles(weight_shape: torch.Size) -> bool:
    return not any(size % MULTIPLE for size in weight_shape[:2])


def _two(sizes: Sequence[int]) -> tuple[int, int]:
    return sizes[0], sizes[-1]
