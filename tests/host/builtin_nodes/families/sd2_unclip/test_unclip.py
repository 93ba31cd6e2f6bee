"""unCLIP checkpoints, from the file to an image, and how pictures become their vector."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.clip_vision import clip_vision_encode, unclip_checkpoint_loader
from host.builtin_nodes.conditioning.models import unclip_conditioning
from host.builtin_nodes.conditioning.prompts import clip_text_encode
from host.builtin_nodes.families.clip_vision.adapter import VisionOutput
from host.builtin_nodes.families.interface import RUN_SEED
from host.builtin_nodes.families.sd2_unclip.augmentation import PictureVector
from host.builtin_nodes.latents.sizes import empty_latent_image
from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.vae.nodes import vae_decode
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import NodeError
from tests.goldens.runners.family_models import families
from tests.host.builtin_nodes.families.tiny_files import L_WIDTH, unclip_shapes, write_tiny
from tests.support.node_context import LoneContext

HEADS = {"unet.heads": 4, "clip_h.heads": 2, "clip_vision.heads": 2}
LATENT = torch.zeros(1, 4, 8, 8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("unclip")
    (base / "models" / "checkpoints").mkdir(parents=True)
    write_tiny(base / "models" / "checkpoints" / "unclip.safetensors", unclip_shapes(), HEADS)
    return base


@pytest.fixture
def context(base: Path) -> LoneContext:
    library = Library([base / "models"])
    context = LoneContext(LocalFolders(base, library))
    context.models = ModelManager(library, families(), [], CpuDevice(), ModelSettings(device="cpu", dtype="fp32"))
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


def painted(context: LoneContext, pictures: list[Tensor], seed: int = 1) -> Tensor:
    model, clip, vae, vision = unclip_checkpoint_loader("unclip.safetensors", context)
    positive = clip_text_encode("a cat", clip, context)
    for picture in pictures:
        seen = clip_vision_encode(vision, picture, "center", context)
        positive = unclip_conditioning(positive, seen, 1.0, 0.1)
    sampled = ksampler(
        model=model,
        seed=seed,
        steps=2,
        cfg=2.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=clip_text_encode("", clip, context),
        latent_image=empty_latent_image(64, 64, 1),
        context=context,
    )
    image: Tensor = vae_decode(sampled, vae, context)
    return image


def test_a_picture_changes_what_is_made(context: LoneContext) -> None:
    white, black = torch.ones(1, 28, 28, 3), torch.zeros(1, 28, 28, 3)
    alone, other, both = (painted(context, pictures) for pictures in ([white], [black], [white, black]))
    assert alone.shape == (1, 64, 64, 3)
    assert torch.isfinite(alone).all()
    assert not torch.equal(alone, other)
    assert not torch.equal(alone, both)
    assert torch.equal(alone, painted(context, [white]))


def summary(value: float, width: int = 4) -> VisionOutput:
    states = torch.full((1, 1, width), value)
    return VisionOutput(states, states, states[:, 0])


def vector(pictures: list[tuple[float, float, float]], seed: int = 0) -> Tensor:
    """For pictures of a summary, a strength and an amount of noise."""
    made = PictureVector(torch.full((1, 4), 2.0), torch.full((1, 4), 3.0))
    shown: Any = [
        {"clip_vision_output": summary(value), "strength": strength, "noise_augmentation": amount}
        for value, strength, amount in pictures
    ]
    return made({"unclip_conditioning": shown, RUN_SEED: seed}, LATENT)["vector"]


def cosine_share(level: int) -> float:
    """What is left of the signal's variance after so many steps, by the definition."""
    return (
        math.cos(((level + 1) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    )


@pytest.mark.parametrize(("amount", "level"), [(0.0, 0), (0.25, 250), (0.9, 899)])
def test_a_summary_is_noised_in_its_own_units_and_its_level_told(amount: float, level: int) -> None:
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(7 - 10))
    share = cosine_share(level)
    clean = (5.0 - 2.0) / 3.0
    expected = (math.sqrt(share) * clean + math.sqrt(1 - share) * noise) * 3.0 + 2.0
    found = vector([(5.0, 1.0, amount)], seed=7)
    torch.testing.assert_close(found[:, :4], expected, rtol=0, atol=1e-4)
    angles = torch.tensor([level * 1.0, level * 0.01])
    torch.testing.assert_close(found[0, 4:], torch.cat([angles.cos(), angles.sin()]), rtol=0, atol=1e-4)


def test_strength_weighs_a_picture_and_none_is_zero() -> None:
    torch.testing.assert_close(vector([(5.0, 0.5, 0.1)]), vector([(5.0, 1.0, 0.1)]) * 0.5)
    assert torch.equal(vector([]), torch.zeros(1, 8))


def test_several_pictures_are_summed_and_noised_once_more() -> None:
    found = vector([(5.0, 0.5, 0.0), (1.0, 0.5, 0.0)])
    level = round(999 * 0.05)
    angles = torch.tensor([level * 1.0, level * 0.01])
    torch.testing.assert_close(found[0, 4:], torch.cat([angles.cos(), angles.sin()]), rtol=0, atol=1e-4)


def test_another_image_encoder_is_refused_with_what_to_do() -> None:
    shown = [{"clip_vision_output": summary(1.0, 5), "strength": 1.0, "noise_augmentation": 0.0}]
    made = PictureVector(torch.zeros(1, L_WIDTH), torch.ones(1, L_WIDTH))
    with pytest.raises(NodeError, match=r"summary of 32 channels, this one has 5.*model's own checkpoint"):
        made({"unclip_conditioning": shown}, LATENT)
