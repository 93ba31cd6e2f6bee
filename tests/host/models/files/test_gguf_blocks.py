"""Blocks of few bits against what the gguf package itself makes of them, bit for bit."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch

from host.models.files.gguf_blocks import KINDS, widened

BLOCKS = 700


def random_blocks(kind: str) -> np.ndarray:
    """Any bytes are blocks; only their float16 numbers must be finite."""
    numbers, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    blocks = np.random.default_rng(0).integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for place in HALVES[kind]:
        blocks[:, place + 1] &= 0b1011_1011
    assert numbers in (32, 256)
    return blocks


HALVES = {
    "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,),
    "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_widened_as_by_the_reference(kind: str) -> None:
    blocks = random_blocks(kind)
    expected = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    assert np.isfinite(expected).all()
    assert torch.equal(widened(torch.from_numpy(blocks), kind), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_more_blocks_than_are_widened_at_a_time_come_out_in_order(kind: str) -> None:
    blocks = torch.from_numpy(random_blocks(kind))
    copies = (1 << 20) // BLOCKS // (256 if kind.endswith("K") else 32) + 2
    many = widened(blocks.repeat(copies, 1), kind)
    assert torch.equal(many, widened(blocks, kind).repeat(copies, 1))
