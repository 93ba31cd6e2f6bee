from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from host.builtin_nodes.families.sd1.plugin import Sd1Family
from sdk import CONFIG_METADATA, Header, Identity, Refusal
from tests.host.builtin_nodes.families.real_headers import header_of, real_files, real_header

Tensors = dict[str, Any]
TEXT = "cond_stage_model.transformer.text_model"


def _identity(header: Header) -> Identity:
    answer = Sd1Family().identify(header)
    assert isinstance(answer, Identity), answer
    return answer


def _refusal(header: Header) -> str:
    answer = Sd1Family().identify(header)
    assert isinstance(answer, Refusal)
    return answer.reason


def _stated(facts: object) -> Header:
    text = facts if isinstance(facts, str) else json.dumps(facts)
    return header_of(real_files()["sd15_pruned_fp16"]["tensors"], {CONFIG_METADATA: text})


def test_a_checkpoint_has_three_parts() -> None:
    header = real_header("sd15_full")
    identity = _identity(header)
    assert identity.kind == "checkpoint"
    assert [part.name for part in Sd1Family().parts(header, identity)] == ["denoiser", "text_encoder", "vae"]


def test_a_unet_alone_is_a_denoiser() -> None:
    prefix = "model.diffusion_model."
    tensors = {
        key.removeprefix(prefix): value
        for key, value in real_files()["sd15_pruned_fp16"]["tensors"].items()
        if key.startswith(prefix)
    }
    header = header_of(tensors)
    identity = _identity(header)
    assert identity.kind == "denoiser"
    assert [part.name for part in Sd1Family().parts(header, identity)] == ["denoiser"]


def test_text_encoder_names_of_older_files_are_known() -> None:
    tensors = real_files()["sd15_full"]["tensors"]
    header = header_of({key.replace(".text_model.", "."): value for key, value in tensors.items()})
    text = Sd1Family().parts(header, _identity(header))[1]
    source = text.weights["final_layer_norm.weight"]
    assert source.key == "cond_stage_model.transformer.final_layer_norm.weight"


def test_real_dimensions_are_read_off_the_shapes() -> None:
    unet = _identity(real_header("sd15_full")).config["unet"]
    assert unet["channels"] == [320, 640, 1280, 1280]
    assert unet["down_depths"] == [[1, 1], [1, 1], [1, 1], [0, 0]]
    assert unet["up_depths"] == [[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert (unet["middle_depth"], unet["context_channels"], unet["heads"]) == (1, 768, [8, 8, 8, 8])


@pytest.mark.parametrize(
    ("kind", "variant"),
    [("sd15_full", "plain"), ("sd15_pix2pix", "edit by instruction"), ("sd15_inpainting", "inpainting")],
)
def test_input_channels_tell_the_variant(kind: str, variant: str) -> None:
    assert _identity(real_header(kind)).config["variant"] == variant


def test_heads_are_taken_from_the_metadata() -> None:
    header = _stated({"unet.heads": 4, "clip_l.heads": 6})
    config = _identity(header).config
    assert config["unet"]["heads"] == [4, 4, 4, 4]
    assert config["text"][0]["heads"] == 6


@pytest.mark.parametrize(
    "facts",
    [
        "no JSON",
        pytest.param("[" * 100_000, id="deep"),
        [1],
        {"unet.heads": 0},
        {"unet.heads": "8"},
        {"unet.heads": 7},
        {"prediction": "x0"},
    ],
)
def test_senseless_metadata_is_refused(facts: object) -> None:
    assert "metadata" in _refusal(_stated(facts)) or "heads" in _refusal(_stated(facts))


@pytest.mark.parametrize("mark", ["v_pred", "metadata", "modelspec"])
def test_v_prediction_is_marked_by_a_tensor_or_the_metadata(mark: str) -> None:
    tensors = dict(real_files()["sd15_pruned_fp16"]["tensors"])
    metadata = {"metadata": {CONFIG_METADATA: '{"prediction": "v"}'}, "modelspec": {"modelspec.prediction_type": "v"}}
    if mark == "v_pred":
        tensors["v_pred"] = ("F32", [])
    identity = _identity(header_of(tensors, metadata.get(mark)))
    assert identity.config["prediction"] == "v"


def test_a_file_predicts_noise_unless_it_says_otherwise() -> None:
    assert _identity(real_header("sd15_full")).config["prediction"] == "eps"


def test_what_a_text_encoder_has_no_use_for_is_passed_over() -> None:
    tensors = {
        key.replace(f"{TEXT}.", "cond_stage_model.transformer."): value
        for key, value in real_files()["sd15_pruned_fp16"]["tensors"].items()
    }
    tensors["cond_stage_model.transformer.text_projection.weight"] = ("F16", [768, 768])
    header = header_of(tensors)
    _, text, _ = Sd1Family().parts(header, _identity(header))
    assert "embeddings.token_embedding.weight" in text.weights
    assert "text_projection.weight" not in text.weights


def _narrower_text(tensors: Tensors) -> None:
    for kind in ("token", "position"):
        key = f"cond_stage_model.transformer.text_model.embeddings.{kind}_embedding.weight"
        tensors[key] = ("F16", [*tensors[key][1][:-1], 512])


def _linear_projections(tensors: Tensors) -> None:
    for key, (dtype, shape) in list(tensors.items()):
        if key.endswith("proj_in.weight"):
            tensors[key] = (dtype, shape[:2])


def _five_input_channels(tensors: Tensors) -> None:
    tensors["model.diffusion_model.input_blocks.0.0.weight"] = ("F16", [320, 5, 3, 3])


def _time_layers(tensors: Tensors) -> None:
    tensors["model.diffusion_model.input_blocks.1.1.time_stack.0.norm1.weight"] = ("F16", [320])


def _no_time_embedding(tensors: Tensors) -> None:
    del tensors["model.diffusion_model.time_embed.0.weight"]


def _no_tokens(tensors: Tensors) -> None:
    tensors[f"{TEXT}.embeddings.token_embedding.weight"] = ("F16", [])


def _few_tokens(tensors: Tensors) -> None:
    tensors[f"{TEXT}.embeddings.token_embedding.weight"] = ("F16", [100, 768])


def _two_positions(tensors: Tensors) -> None:
    tensors[f"{TEXT}.embeddings.position_embedding.weight"] = ("F16", [2, 768])


def _vae_of_odd_width(tensors: Tensors) -> None:
    tensors["first_stage_model.encoder.down.0.block.0.conv1.weight"] = ("F16", [100, 128, 3, 3])


def _vae_without_width(tensors: Tensors) -> None:
    tensors["first_stage_model.encoder.down.0.block.0.conv1.weight"] = ("F16", [0, 128, 3, 3])


def _strange_number(tensors: Tensors) -> None:
    tensors["model.diffusion_model.input_blocks.\N{ARABIC-INDIC DIGIT THREE}.0.op.weight"] = ("F16", [320])


def _padded_number(tensors: Tensors) -> None:
    tensors["model.diffusion_model.input_blocks.03.0.op.weight"] = ("F16", [320])


def _stranger(tensors: Tensors) -> None:
    tensors["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"] = ("F16", [3, 3])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_narrower_text, "text encoder gives 512"),
        (_linear_projections, "linear layer"),
        (_five_input_channels, "5 channels"),
        (_time_layers, "over time"),
        (_no_time_embedding, "time_embedding"),
        (_stranger, "double_blocks"),
        (_no_tokens, "lacks a table"),
        (_few_tokens, "knows 100 tokens"),
        (_two_positions, "takes 2 at once"),
        (_vae_of_odd_width, "100 channels"),
        (_vae_without_width, "0 channels"),
        (_strange_number, "belongs to no UNet"),
        (_padded_number, "input_blocks.03"),
    ],
)
def test_what_is_not_stable_diffusion_1_is_named(change: Callable[[Tensors], None], said: str) -> None:
    tensors = dict(real_files()["sd15_pruned_fp16"]["tensors"])
    change(tensors)
    assert said in _refusal(header_of(tensors))


def test_patch_names_cover_both_numberings_of_blocks() -> None:
    header = real_header("sd15_full")
    denoiser, text, _ = Sd1Family().parts(header, _identity(header))
    assert denoiser.patch_names
    assert text.patch_names
    names = denoiser.patch_names()
    wanted = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight"
    for alias in (
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0",
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_out_0",
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out",
    ):
        assert names[alias] == wanted
    layer = "encoder.layers.0.self_attn.q_proj.weight"
    assert text.patch_names()["lora_te_text_model_encoder_layers_0_self_attn_q_proj"] == layer
