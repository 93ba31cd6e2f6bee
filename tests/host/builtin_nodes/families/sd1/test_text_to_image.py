"""A checkpoint from its file to an image, through the nodes and the model manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.conditioning.prompts import clip_set_last_layer, clip_text_encode
from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.latents.sizes import empty_latent_image
from host.builtin_nodes.loaders.files import checkpoint_loader_simple
from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.vae.nodes import vae_decode, vae_encode
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from tests.host.builtin_nodes.families.sd1.tiny_checkpoint import TinyCheckpoint, write_tiny_checkpoint
from tests.support.node_context import LoneContext


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def checkpoint(base: Path) -> TinyCheckpoint:
    folder = base / "models" / "checkpoints"
    folder.mkdir(parents=True)
    return write_tiny_checkpoint(folder / "tiny.safetensors")


@pytest.fixture
def context(base: Path, checkpoint: TinyCheckpoint) -> LoneContext:
    library = Library([base / "models"])
    families = [Sd1Family(), KlVaeFamily()]
    context = LoneContext(LocalFolders(base, library))
    context.models = ModelManager(library, families, [], CpuDevice(), ModelSettings(device="cpu", dtype="fp32"))
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


@pytest.fixture
def parts(context: LoneContext) -> Any:
    return checkpoint_loader_simple("tiny.safetensors", context)


def _image(context: LoneContext, parts: Any, prompt: str, seed: int = 1) -> Tensor:
    model, clip, vae = parts
    latent = ksampler(
        model=model,
        seed=seed,
        steps=2,
        cfg=4.0,
        sampler_name="euler",
        scheduler="karras",
        positive=clip_text_encode(prompt, clip, context),
        negative=clip_text_encode("", clip, context),
        latent_image=empty_latent_image(width=64, height=32, batch_size=2),
        denoise=1.0,
        context=context,
    )
    image: Tensor = vae_decode(latent, vae, context)
    return image


def test_a_prompt_becomes_images(context: LoneContext, parts: Any) -> None:
    image = _image(context, parts, "a cat")
    assert image.shape == (2, 32, 64, 3)
    assert (image.dtype, image.device.type) == (torch.float32, "cpu")
    assert (image.min() >= 0, image.max() <= 1) == (True, True)
    assert not torch.equal(image[0], image[1])


def test_prompt_and_seed_decide_the_image(context: LoneContext, parts: Any) -> None:
    image = _image(context, parts, "a cat")
    assert torch.equal(_image(context, parts, "a cat"), image)
    assert not torch.equal(_image(context, parts, "a dog"), image)
    assert not torch.equal(_image(context, parts, "a cat", seed=2), image)


@torch.no_grad()
def test_loaded_modules_compute_what_the_stored_ones_did(
    context: LoneContext, parts: Any, checkpoint: TinyCheckpoint
) -> None:
    # Filters of convolutions are packed for the CPU, which changes the last bits.
    x, time, states = torch.randn(1, 4, 8, 8), torch.tensor([500.0]), torch.randn(1, 77, 32)
    with context.models.borrow(parts[0]) as unet:
        found = parts[0].adapter.forward(unet, x, time, states)
    assert torch.allclose(found, checkpoint.unet(x, time, states).sample, rtol=0, atol=1e-5)
    ids = torch.tensor([[49406, 320, 2368, *[49407] * 74]])
    with context.models.borrow(parts[1]) as encoder:
        assert torch.equal(encoder(ids).last_hidden_state, checkpoint.text_encoder(ids).last_hidden_state)
    with context.models.borrow(parts[2]) as vae:
        assert torch.allclose(vae.decode(x).sample, checkpoint.vae.decode(x).sample, rtol=0, atol=1e-5)


def test_the_chosen_layer_changes_the_conditioning(context: LoneContext, parts: Any) -> None:
    plain, earlier = (
        clip_text_encode("a cat", clip, context) for clip in (parts[1], clip_set_last_layer(parts[1], -2))
    )
    assert not torch.allclose(plain[0][0], earlier[0][0])
    torch.testing.assert_close(plain[0][1]["pooled_output"], earlier[0][1]["pooled_output"])


def test_an_image_can_be_encoded_at_any_size(context: LoneContext, parts: Any) -> None:
    assert vae_encode(torch.rand(1, 35, 50, 3), parts[2], context)["samples"].shape == (1, 4, 4, 6)
