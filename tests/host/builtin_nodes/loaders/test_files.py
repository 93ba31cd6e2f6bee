from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from host.builtin_nodes.conditioning.prompts import clip_set_last_layer, clip_text_encode
from host.builtin_nodes.loaders.files import checkpoint_loader_simple, unet_loader
from host.builtin_nodes.loaders.vae import choose_values, vae_loader
from host.builtin_nodes.vae.nodes import vae_decode, vae_decode_tiled, vae_encode
from sdk import Identity, ModelHandle, NodeError
from sdk.testing.models import FakeModels
from tests.support.node_context import LoneContext, context_in

IDENTITY = Identity(family="none", kind="checkpoint", config={}, because="it is made for a test")


def _handle(part: str) -> ModelHandle:
    return ModelHandle(key=f"file/{part}", part=part, identity=IDENTITY, adapter=None)


class Files:
    """Every file of every kind, with the same parts inside."""

    def __init__(self, *parts: str) -> None:
        self.parts = {part: _handle(part) for part in parts}
        self.opened: list[Path] = []
        self.rounded: list[str | None] = []
        self.together: list[tuple[dict[str, Path], dict[str, Any]]] = []
        self.there: dict[str, list[str]] = {}

    def names(self, kind: str) -> list[str]:
        return self.there.get(kind, [])

    def find(self, kind: str, name: str) -> Path:
        return Path(kind) / name

    def open(self, path: Path, *, rounded_to: str | None = None) -> Mapping[str, ModelHandle]:
        self.opened.append(path)
        self.rounded.append(rounded_to)
        return self.parts

    def open_together(self, files: Mapping[str, Path], facts: Mapping[str, Any]) -> Mapping[str, ModelHandle]:
        self.together.append((dict(files), dict(facts)))
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
            use({"samples": torch.zeros(1, 4, 8, 8)}, vae, context)
    assert not hasattr(copy.copy(vae), "nbytes")


def test_a_vae_may_come_out_of_a_checkpoint(tmp_path: Path) -> None:
    context = _context(tmp_path, "denoiser", "vae")
    assert vae_loader("a.safetensors", context).part == "vae"
    assert context.models.opened == [Path("vae/a.safetensors")]


@pytest.mark.parametrize(
    ("dtype", "rounded"),
    [("default", None), ("fp8_e4m3fn", "F8_E4M3"), ("fp8_e4m3fn_fast", "F8_E4M3"), ("fp8_e5m2", "F8_E5M2")],
)
def test_a_denoiser_comes_from_a_file_of_its_own_rounded_as_wanted(
    dtype: Any, rounded: str | None, tmp_path: Path
) -> None:
    context = _context(tmp_path, "denoiser")
    assert unet_loader("flux.safetensors", dtype, context).part == "denoiser"
    assert (context.models.opened, context.models.rounded) == ([Path("diffusion_models/flux.safetensors")], [rounded])


def test_a_tiny_autoencoder_is_offered_and_opened_once_both_its_halves_are_there(tmp_path: Path) -> None:
    context = _context(tmp_path, "vae")
    files = context.folders
    files.there = {
        "vae": ["a.safetensors"],
        "vae_approx": ["taef1_encoder.pth", "taesd_encoder.pth", "taesd_decoder.pth"],
    }

    assert choose_values("autoencoders", files) == ["a.safetensors", "taesd", "pixel_space"]
    assert choose_values("something else", files) is None
    assert vae_loader("taesd", context).part == "vae"
    halves = {"encoder": Path("vae_approx/taesd_encoder.pth"), "decoder": Path("vae_approx/taesd_decoder.pth")}
    assert context.models.together == [(halves, {"vae.scale": 0.18215, "vae.shift": 0.0})]
    with pytest.raises(NodeError, match="no taef1_decoder in the model folder 'vae_approx'"):
        vae_loader("taef1", context)


def test_pixel_space_gives_images_as_they_are(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    context.models = FakeModels()
    vae = vae_loader("pixel_space", context)
    images = torch.rand(2, 5, 7, 3)

    latent = vae_encode(images, vae, context)
    assert latent["samples"].shape == (2, 3, 5, 7)
    assert latent["samples"].abs().amax() <= 1
    torch.testing.assert_close(vae_decode(latent, vae, context), images)


def test_the_chosen_layer_travels_with_the_handle() -> None:
    clip = _handle("text_encoder")
    assert clip_set_last_layer(clip, -2).options == {"stop_at_layer": -2}
    assert clip.options == {}
