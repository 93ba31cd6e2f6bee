"""Stable Diffusion XL and its refiner, from their files to an image, through the nodes and the model manager."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from host.builtin_nodes.conditioning.prompts import clip_set_last_layer, clip_text_encode
from host.builtin_nodes.families.sdxl.nodes import clip_text_encode_sdxl
from host.builtin_nodes.families.sdxl_refiner.nodes import clip_text_encode_sdxl_refiner
from host.builtin_nodes.latents.sizes import empty_latent_image
from host.builtin_nodes.loaders.files import checkpoint_loader_simple
from host.builtin_nodes.lora.nodes import lora_loader
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.sampler_nodes import ksampler_advanced
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.vae.nodes import vae_decode
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import NodeError
from tests.goldens.runners.family_models import families
from tests.host.builtin_nodes.families.tiny_files import (
    G_WIDTH,
    L_WIDTH,
    refiner_shapes,
    sd2_shapes,
    sdxl_shapes,
    write_tiny,
)
from tests.support.node_context import LoneContext

SIZES = {"width": 64, "height": 64, "crop_w": 0, "crop_h": 0, "target_width": 64, "target_height": 64}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tiny")
    for kind in ("checkpoints", "loras", "embeddings"):
        (base / "models" / kind).mkdir(parents=True)
    write_tiny(base / "models" / "checkpoints" / "base.safetensors", sdxl_shapes())
    write_tiny(base / "models" / "checkpoints" / "refiner.safetensors", refiner_shapes())
    write_tiny(base / "models" / "checkpoints" / "sd2.safetensors", sd2_shapes())
    return base


@pytest.fixture
def context(base: Path) -> LoneContext:
    library = Library([base / "models"])
    context = LoneContext(LocalFolders(base, library))
    settings = ModelSettings(device="cpu", dtype="fp32")
    context.models = ModelManager(library, families(), register_patch_formats(), CpuDevice(), settings)
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


def _prompt(clip: Any, context: LoneContext, text_g: str = "a cat", text_l: str = "a cat", **sizes: int) -> Any:
    return clip_text_encode_sdxl(clip=clip, context=context, text_g=text_g, text_l=text_l, **{**SIZES, **sizes})


def _sampled(model: Any, positive: Any, negative: Any, latent: Any, context: LoneContext, **options: Any) -> Any:
    steps = {"start_at_step": 0, "end_at_step": 10000, "add_noise": "enable", "return_with_leftover_noise": "disable"}
    return ksampler_advanced(
        model=model,
        noise_seed=3,
        steps=4,
        cfg=3.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=negative,
        latent_image=latent,
        context=context,
        **{**steps, **options},
    )


def test_the_base_model_hands_over_to_the_refiner(context: LoneContext) -> None:
    model, clip, vae = checkpoint_loader_simple("base.safetensors", context)
    refiner, refiner_clip, _ = checkpoint_loader_simple("refiner.safetensors", context)
    positive, negative = _prompt(clip, context), _prompt(clip, context, "", "")
    latent = empty_latent_image(width=64, height=64, batch_size=1)
    started = _sampled(model, positive, negative, latent, context, end_at_step=3, return_with_leftover_noise="enable")
    scored = {"width": 64, "height": 64, "clip": refiner_clip, "context": context}
    good = clip_text_encode_sdxl_refiner(ascore=6.0, text="a cat", **scored)
    bad = clip_text_encode_sdxl_refiner(ascore=2.5, text="", **scored)
    finished = _sampled(refiner, good, bad, started, context, start_at_step=3, add_noise="disable")
    image = vae_decode(finished, vae, context)
    assert image.shape == (1, 64, 64, 3)
    assert image.isfinite().all()
    assert not torch.allclose(finished["samples"], started["samples"])


def test_prompts_and_sizes_of_the_node_reach_the_network(context: LoneContext) -> None:
    model, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    plain = _prompt(clip, context)
    assert plain[0][0].shape == (1, 77, L_WIDTH + G_WIDTH)
    assert plain[0][1]["pooled_output"].shape == (1, G_WIDTH)
    other_l, other_g = _prompt(clip, context, text_l="a dog"), _prompt(clip, context, text_g="a dog")
    assert torch.equal(other_l[0][0][..., L_WIDTH:], plain[0][0][..., L_WIDTH:])
    assert torch.equal(other_g[0][0][..., :L_WIDTH], plain[0][0][..., :L_WIDTH])
    assert not torch.equal(other_g[0][1]["pooled_output"], plain[0][1]["pooled_output"])
    latent = empty_latent_image(width=64, height=64, batch_size=1)
    results = [
        _sampled(model, prompt, plain, latent, context)["samples"]
        for prompt in (plain, _prompt(clip, context, crop_w=500))
    ]
    assert not torch.allclose(*results)


def test_prompts_of_different_length_are_filled_up(context: LoneContext) -> None:
    _, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    found = _prompt(clip, context, text_g="a cat " * 60, text_l="a cat")
    assert found[0][0].shape == (1, 2 * 77, L_WIDTH + G_WIDTH)


def test_one_encoder_is_not_enough_for_two_prompts(context: LoneContext) -> None:
    _, clip, _ = checkpoint_loader_simple("refiner.safetensors", context)
    with pytest.raises(NodeError, match="two text encoders"):
        _prompt(clip, context)


def test_stable_diffusion_2_samples_with_its_own_encoder(context: LoneContext) -> None:
    model, clip, vae = checkpoint_loader_simple("sd2.safetensors", context)
    prompt = clip_text_encode("a cat", clip, context)
    assert prompt[0][0].shape == (1, 77, G_WIDTH)
    last = clip_text_encode("a cat", clip_set_last_layer(clip, -1), context)
    assert not torch.allclose(last[0][0], prompt[0][0])
    result = _sampled(model, prompt, prompt, empty_latent_image(width=64, height=64, batch_size=1), context)
    assert vae_decode(result, vae, context).isfinite().all()


def test_a_lora_changes_unet_and_both_encoders(context: LoneContext, base: Path) -> None:
    model, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    layers = {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q": (32, 32),
        "lora_te1_text_model_encoder_layers_0_mlp_fc1": (2 * L_WIDTH, L_WIDTH),
        "lora_te2_text_model_encoder_layers_0_self_attn_k_proj": (G_WIDTH, G_WIDTH),
    }
    tensors = {f"{name}.lora_up.weight": torch.ones(shape[0], 1) for name, shape in layers.items()}
    tensors |= {f"{name}.lora_down.weight": torch.ones(1, shape[1]) for name, shape in layers.items()}
    save_file(tensors, base / "models" / "loras" / "both.safetensors")
    changed_model, changed_clip = lora_loader(model, clip, "both.safetensors", context)
    places = {
        "model": ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight", model, changed_model),
        "first": ("clip_l.encoder.layers.0.mlp.fc1.weight", clip, changed_clip),
        "second": ("clip_g.text_model.encoder.layers.0.self_attn.k_proj.weight", clip, changed_clip),
    }
    for name, plain, changed in places.values():
        with context.models.borrow(plain) as module:
            before = module.state_dict()[name].clone()
        with context.models.borrow(changed) as module:
            torch.testing.assert_close(module.state_dict()[name], before + 1)
    assert context.said == []


def test_an_embedding_for_one_encoder_counts_for_that_one_alone(
    context: LoneContext, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_file({"emb_params": torch.ones(2, L_WIDTH)}, base / "models" / "embeddings" / "ink.safetensors")
    _, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    with caplog.at_level(logging.WARNING):
        found = clip_text_encode("embedding:ink", clip, context)[0][0]
    assert f"embedding 'ink' is {L_WIDTH} wide, the text encoder {G_WIDTH}; it is left out" in caplog.text
    empty = clip_text_encode("", clip, context)[0][0]
    assert not torch.allclose(found[..., 1:3, :L_WIDTH], empty[..., 1:3, :L_WIDTH])


def test_an_embedding_for_both_encoders_counts_for_both(
    context: LoneContext, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = {"clip_l": torch.ones(2, L_WIDTH), "clip_g": torch.ones(2, G_WIDTH)}
    save_file(vectors, base / "models" / "embeddings" / "pair.safetensors")
    _, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    with caplog.at_level(logging.WARNING):
        found = clip_text_encode("embedding:pair", clip, context)[0][0]
    assert "left out" not in caplog.text
    empty = clip_text_encode("", clip, context)[0][0]
    assert not torch.allclose(found[..., 1, L_WIDTH:], empty[..., 1, L_WIDTH:])


def test_embeddings_that_a_lora_brings_are_words_of_the_prompts_behind_it(
    context: LoneContext, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = {"clip_l": torch.ones(2, L_WIDTH), "clip_g": torch.ones(2, G_WIDTH)}
    save_file({f"bundle_emb.<cat>.{key}": each for key, each in vectors.items()}, base / "models/loras/cat.safetensors")
    save_file(vectors, base / "models" / "embeddings" / "same.safetensors")
    model, clip, _ = checkpoint_loader_simple("base.safetensors", context)
    same_model, with_cat = lora_loader(model, clip, "cat.safetensors", context)
    with caplog.at_level(logging.WARNING):
        (found, _), *_ = clip_text_encode("a embedding:<cat> toy", with_cat, context)
        (plain, _), *_ = clip_text_encode("a embedding:<cat> toy", clip, context)
    (wanted, _), *_ = clip_text_encode("a embedding:same toy", clip, context)
    text = "a embedding:<cat> toy"
    (each, _), *_ = _prompt(with_cat, context, text_g=text, text_l=text)

    assert torch.equal(found, wanted)
    assert torch.equal(each, wanted)
    assert not torch.equal(plain, wanted)
    assert caplog.text.count("no embedding named '<cat>'") == 2
    assert same_model is model
    assert with_cat.patches == ()
    assert context.said == ["cat.safetensors brings words for prompts: embedding:<cat>"]
