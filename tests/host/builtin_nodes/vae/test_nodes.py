from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.vae.nodes import vae_decode, vae_decode_tiled, vae_encode, vae_encode_tiled
from sdk import Identity, ModelHandle, NodeError
from tests.support.node_context import LoneContext, context_in


class Recorder:
    """An adapter that answers with what it was asked."""

    downscale, latent_channels = 8, 4

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        return pixels + 1

    def decode(self, module: Any, latents: Tensor) -> Tensor:
        return latents - 1

    def encode_tiled(self, module: Any, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        self.asked.append((tile, overlap))
        return pixels

    decode_tiled = encode_tiled


LATENT, IMAGE = torch.zeros(1, 4, 8, 8), torch.zeros(1, 64, 64, 3)


class OneModel:
    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[None]:
        self.asked.append(working_bytes)
        yield None


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    context = context_in(tmp_path)
    context.models = OneModel()
    return context


@pytest.fixture
def vae() -> ModelHandle:
    identity = Identity(family="none", kind="vae", config={}, because="it is made for a test")
    return ModelHandle(key="k", part="vae", identity=identity, adapter=Recorder())


def test_encoding_and_decoding_are_the_adapters(vae: ModelHandle, context: LoneContext) -> None:
    pixels = torch.rand(1, 8, 8, 3)
    latent = vae_encode(pixels, vae, context)
    torch.testing.assert_close(vae_decode(latent, vae, context), pixels)


@pytest.mark.parametrize(("tile", "overlap", "cells"), [(512, 64, (64, 8)), (64, 64, (8, 2))])
def test_decoding_counts_tiles_in_cells_and_limits_their_overlap(
    vae: ModelHandle, context: LoneContext, tile: int, overlap: int, cells: tuple[int, int]
) -> None:
    vae_decode_tiled({"samples": torch.zeros(1, 4, 8, 8)}, vae, context, tile, overlap)
    assert vae.adapter.asked == [cells]


def test_encoding_counts_tiles_in_pixels(vae: ModelHandle, context: LoneContext) -> None:
    vae_encode_tiled(torch.zeros(1, 8, 8, 3), vae, context, 128, 32)
    assert vae.adapter.asked == [(128, 32)]


def test_an_overlap_that_eats_the_tile_is_refused(vae: ModelHandle, context: LoneContext) -> None:
    with pytest.raises(NodeError, match="less than half"):
        vae_encode_tiled(torch.zeros(1, 8, 8, 3), vae, context, 64, 32)


class Cramped(Recorder):
    """Has no room for anything larger than tiles of so many pixels."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def decode(self, module: Any, latents: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("full")

    encode = decode

    def decode_tiled(self, module: Any, latents: Tensor, *, tile: int, overlap: int) -> Tensor:
        self.asked.append((tile, overlap))
        if tile * self.downscale > self.room:
            raise torch.OutOfMemoryError("full")
        return latents

    def encode_tiled(self, module: Any, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        return self.decode_tiled(module, pixels, tile=tile // self.downscale, overlap=overlap // self.downscale)


@pytest.mark.parametrize(("room", "tiles"), [(512, [(64, 16)]), (128, [(64, 16), (32, 8), (16, 4)])])
def test_what_does_not_fit_is_done_in_ever_smaller_tiles(
    room: int, tiles: list[tuple[int, int]], vae: ModelHandle, context: LoneContext
) -> None:
    for use in (lambda vae: vae_decode({"samples": LATENT}, vae, context), lambda vae: vae_encode(IMAGE, vae, context)):
        cramped = replace(vae, adapter=Cramped(room))
        use(cramped)
        assert cramped.adapter.asked == tiles


def test_an_image_whose_smallest_tiles_do_not_fit_is_an_error(vae: ModelHandle, context: LoneContext) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        vae_decode({"samples": LATENT}, replace(vae, adapter=Cramped(64)), context)


def test_room_is_asked_for_in_proportion_to_the_image(vae: ModelHandle, context: LoneContext) -> None:
    models = context.models = OneModel()
    vae_decode({"samples": torch.zeros(1, 4, 16, 16)}, vae, context)
    vae_decode({"samples": torch.zeros(3, 4, 16, 32)}, vae, context)
    vae_encode(torch.zeros(1, 128, 128, 3), vae, context)
    decoding, twice, encoding = models.asked
    assert 0 < encoding < decoding == twice / 2
