"""Widens blocks of few bits, as GGUF files hold them, with torch's operations: on any device.

A block is a row of bytes. Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253

_NUMBERS_AT_A_TIME = 1 << 20
"""On the CPU: so that what is computed in between stays in its caches."""


def widened(blocks: Tensor, kind: str) -> Tensor:
    """The numbers of ``blocks`` (number of blocks × bytes of one, uint8) in float32, a row for each block.

    ``kind`` is one of ``KINDS``. The results are bit for bit those of ggml's own reference code.
    """
    unpack = _UNPACK[kind]
    if blocks.device.type != "cpu":
        return unpack(blocks)
    numbers = _NUMBERS[kind]
    out = torch.empty(blocks.shape[0], numbers, dtype=torch.float32)
    step = _NUMBERS_AT_A_TIME // numbers
    for start in range(0, blocks.shape[0], step):
        out[start : start + step] = unpack(blocks[start : start + step])
    return out


def _half(blocks: Tensor, place: int) -> Tensor:
    """The float16 number at a place of each block, widened; a column."""
    return blocks[:, place : place + 2].contiguous().view(torch.float16).float()


def _fields(packed: Tensor, group: int, bits: int) -> Tensor:
    """Fields of few bits, lowest first: of each group of bytes all first fields, then all second ones, and so on."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)[:, None]
    grouped = packed.reshape(packed.shape[0], -1, 1, group)
    return ((grouped >> shifts) & ((1 << bits) - 1)).reshape(packed.shape[0], -1)


def _bits_of_words(packed: Tensor) -> Tensor:
    """The bits of little-endian words, lowest first."""
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[:, :, None] >> shifts) & 1).reshape(packed.shape[0], -1)


def _signed(fields: Tensor, middle: int) -> Tensor:
    return fields.view(torch.int8) - middle


def _q8_0(blocks: Tensor) -> Tensor:
    return blocks[:, 2:].view(torch.int8) * _half(blocks, 0)


def _q4_0(blocks: Tensor) -> Tensor:
    return _signed(_fields(blocks[:, 2:], 16, 4), 8) * _half(blocks, 0)


def _q4_1(blocks: Tensor) -> Tensor:
    return (_fields(blocks[:, 4:], 16, 4) * _half(blocks, 0)).add_(_half(blocks, 2))


def _q5_0(blocks: Tensor) -> Tensor:
    high = _bits_of_words(blocks[:, 2:6]) << 4
    return _signed(_fields(blocks[:, 6:], 16, 4) | high, 16) * _half(blocks, 0)


def _q5_1(blocks: Tensor) -> Tensor:
    high = _bits_of_words(blocks[:, 4:8]) << 4
    return ((_fields(blocks[:, 8:], 16, 4) | high) * _half(blocks, 0)).add_(_half(blocks, 2))


def _q2_k(blocks: Tensor) -> Tensor:
    scales, numbers = blocks[:, :16], _fields(blocks[:, 16:80], 32, 2)
    factors, offsets = (scales & 15) * _half(blocks, 80), (scales >> 4) * _half(blocks, 82)
    return _scaled(numbers, factors).sub_(offsets[:, :, None]).flatten(1)


def _q3_k(blocks: Tensor) -> Tensor:
    low, high = _fields(blocks[:, 32:96], 32, 2), _fields(blocks[:, :32], 32, 1)
    scales = _fields(blocks[:, 96:104], 8, 4) | (_fields(blocks[:, 104:108], 4, 2) << 4)
    factors = _signed(scales, 32) * _half(blocks, 108)
    return _scaled(_signed(low | (high << 2), 4), factors).flatten(1)


def _q4_k(blocks: Tensor) -> Tensor:
    factors, offsets = _factors_and_offsets(blocks)
    return _scaled(_fields(blocks[:, 16:], 32, 4), factors).sub_(offsets).flatten(1)


def _q5_k(blocks: Tensor) -> Tensor:
    factors, offsets = _factors_and_offsets(blocks)
    numbers = _fields(blocks[:, 48:], 32, 4) | (_fields(blocks[:, 16:48], 32, 1) << 4)
    return _scaled(numbers, factors).sub_(offsets).flatten(1)


def _q6_k(blocks: Tensor) -> Tensor:
    numbers = _fields(blocks[:, :128], 64, 4) | (_fields(blocks[:, 128:192], 32, 2) << 4)
    return _scaled(_signed(numbers, 32), blocks[:, 192:208].view(torch.int8) * _half(blocks, 208)).flatten(1)


def _scaled(numbers: Tensor, factors: Tensor) -> Tensor:
    """Each block's numbers in as many groups as it has factors, multiplied by these."""
    return numbers.reshape(*factors.shape, -1) * factors[:, :, None]


def _factors_and_offsets(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Eight of each, of six bits: the last four have their two high bits above the first four's six."""
    first, second, both = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    factors = torch.cat((first & 63, (both & 15) | ((first >> 2) & 48)), 1)
    offsets = torch.cat((second & 63, (both >> 4) | ((second >> 2) & 48)), 1)
    return factors * _half(blocks, 0), (offsets * _half(blocks, 2))[:, :, None]


_UNPACK: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Q4_0": _q4_0, "Q4_1": _q4_1, "Q5_0": _q5_0, "Q5_1": _q5_1, "Q8_0": _q8_0,
    "Q2_K": _q2_k, "Q3_K": _q3_k, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k,
}  # fmt: skip

_NUMBERS: Mapping[str, int] = {kind: 256 if kind.endswith("_K") else 32 for kind in _UNPACK}

KINDS = frozenset(_UNPACK)
"""Kinds of blocks known here, by GGUF's names."""
