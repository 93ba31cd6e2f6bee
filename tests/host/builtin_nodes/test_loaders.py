from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from host.builtin_nodes.conditioning import clip_set_last_layer, clip_text_encode
from host.builtin_nodes.loaders import checkpoint_loader_simple, vae_loader
from host.builtin_nodes.vae import vae_decode, vae_decode_tiled
from sdk import Identity, ModelHandle, NodeError
from tests.support.node_context import LoneContext, context_in

IDENTITY = Identity(family="none", kind="checkpoint", config={}, because="it is made for a test")


def _handle(part: str) -> ModelHandle:
    return ModelHandle(key=f"file/{part}", part=part, identity=IDENTITY, adapter=None)


class Files:
    """Every file of every kind, with the same parts inside."""

    def __init__(self, *parts: str) -> None:
        self.parts = {part: _handle(part) for part in parts}
        self.opened: list[Path] = []

    def find(self, kind: str, name: str) -> Path:
        return Path(kind) / name

    def open(self, path: Path) -> Mapping[str, ModelHandle]:
        self.opened.append(path)
        return self.parts

    @contextmanager
    def borrow(self, handle: ModelHandle) -> Iterator[str]:
        yield handle.key


def _context(tmp_path: Path, *parts: str) -> LoneContext:
    context = context_in(tmp_path)
    context.models = context.folders = Files(*parts)  # type: ignore[assignment]
    return context


def test_a_checkpoint_gives_its_three_parts(tmp_path: Path) -> None:
    context = _context(tmp_path, "vae", "denoiser", "text_encoder")
    outputs: tuple[Any, ...] = checkpoint_loader_simple("a.safetensors", context)
    assert [handle.part for handle in outputs] == ["denoiser", "text_encoder", "vae"]
    assert context.models.opened == [Path("checkpoints/a.safetensors")]


def test_a_missing_part_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"no denoiser in a\.ckpt; inside are: text encoder, VAE"):
        checkpoint_loader_simple("a.ckpt", _context(tmp_path, "text_encoder", "vae"))


def test_a_checkpoint_without_text_encoder_or_vae_opens_and_complains_where_they_are_used(tmp_path: Path) -> None:
    context = _context(tmp_path, "denoiser")
    model, clip, vae = checkpoint_loader_simple("a.ckpt", context)
    assert model.part == "denoiser"
    with pytest.raises(NodeError, match=r"no text encoder in a\.ckpt; inside are: denoiser"):
        clip_text_encode("a cat", clip, context)
    with pytest.raises(NodeError, match=r"no text encoder in a\.ckpt"):
        clip_set_last_layer(clip, -2)
    for use in (vae_decode, vae_decode_tiled):
        with pytest.raises(NodeError, match=r"no VAE in a\.ckpt"):
            use({"samples": None}, vae, context)
    assert not hasattr(copy.copy(vae), "nbytes")


def test_a_vae_may_come_out_of_a_checkpoint(tmp_path: Path) -> None:
    context = _context(tmp_path, "denoiser", "vae")
    assert vae_loader("a.safetensors", context).part == "vae"
    assert context.models.opened == [Path("vae/a.safetensors")]


def test_the_chosen_layer_travels_with_the_handle() -> None:
    clip = _handle("text_encoder")
    assert clip_set_last_layer(clip, -2).options == {"stop_at_layer": -2}
    assert clip.options == {}
