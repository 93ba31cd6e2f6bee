from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from host.builtin_nodes.families.sdxl.plugin import SdxlFamily
from sdk import Header, Identity, NodeError, Refusal
from tests.host.builtin_nodes.families.real_headers import header_of, real_files, real_header

Tensors = dict[str, Any]
LATENT = torch.zeros(1, 4, 96, 128)


def _identity(header: Header) -> Identity:
    answer = SdxlFamily().identify(header)
    assert isinstance(answer, Identity), answer
    return answer


def _denoiser(header: Header) -> Any:
    return SdxlFamily().parts(header, _identity(header))[0].adapter


def test_a_checkpoint_has_three_parts_and_one_of_them_two_encoders() -> None:
    header = real_header("sdxl_base")
    denoiser, text, vae = SdxlFamily().parts(header, _identity(header))
    assert (denoiser.name, text.name, vae.name) == ("denoiser", "text_encoder", "vae")
    assert {name.partition(".")[0] for name in text.weights} == {"clip_l", "clip_g"}


def test_real_dimensions_are_read_off_the_shapes() -> None:
    unet = _identity(real_header("sdxl_base")).config["unet"]
    assert unet["down_depths"] == [[0, 0], [2, 2], [10, 10]]
    assert (unet["heads"], unet["context_channels"], unet["vector_channels"]) == ([5, 10, 20], 2048, 2816)


def test_cosxl_is_sampled_at_any_level_between_its_bounds() -> None:
    adapter = _denoiser(real_header("sdxl_cosxl"))
    assert adapter.parametrisation.sigma_min == pytest.approx(0.002)
    assert adapter.parametrisation.sigma_max == pytest.approx(120.0)
    assert adapter.scaled_edit


def test_a_files_facts_decide_what_a_network_predicts() -> None:
    tensors = real_files()["sdxl_unet_diffusers"]["tensors"]
    stated = header_of(tensors, {"modelspec.prediction_type": "v"})
    assert _identity(stated).config["prediction"] == "v"
    assert _identity(header_of(tensors)).config["prediction"] == "eps"


def test_sizes_left_out_are_those_of_the_latent() -> None:
    adapter, pooled = _denoiser(real_header("sdxl_base")), torch.randn(1, 1280)
    stated = {"width": 1024, "height": 768, "crop_w": 0, "crop_h": 0, "target_width": 1024, "target_height": 768}
    found = adapter.inputs({"pooled_output": pooled}, LATENT, None)["vector"]
    torch.testing.assert_close(found, adapter.inputs({"pooled_output": pooled, **stated}, LATENT, None)["vector"])
    assert found.shape == (1, 2816)
    torch.testing.assert_close(found[:, :1280], pooled)


def test_every_size_has_its_own_place_in_the_vector() -> None:
    adapter, pooled = _denoiser(real_header("sdxl_base")), torch.zeros(1, 1280)
    plain = adapter.inputs({"pooled_output": pooled}, LATENT, None)["vector"]
    names = ("height", "width", "crop_h", "crop_w", "target_height", "target_width")
    given = {"height": 768, "width": 1024, "crop_h": 0, "crop_w": 0, "target_height": 768, "target_width": 1024}
    for place, name in enumerate(names):
        changed = {**given, name: 555, "pooled_output": pooled}
        moved = (adapter.inputs(changed, LATENT, None)["vector"] != plain)[0, 1280:].reshape(6, 256).any(dim=1)
        assert moved.tolist() == [place == number for number in range(6)]


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "no pooled vector"), ({"pooled_output": torch.zeros(1, 768)}, "pooled vector of 768 channels")],
)
def test_a_prompt_from_other_encoders_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(NodeError, match=said):
        _denoiser(real_header("sdxl_base")).inputs(options, LATENT, None)


def _one_encoder(tensors: Tensors) -> None:
    for key in [key for key in tensors if key.startswith("conditioner.embedders.1.")]:
        del tensors[key]


def _other_projection(tensors: Tensors) -> None:
    tensors["conditioner.embedders.1.model.text_projection"] = ("F16", [1280, 512])


def _no_projection(tensors: Tensors) -> None:
    del tensors["conditioner.embedders.1.model.text_projection"]


def _odd_vector(tensors: Tensors) -> None:
    tensors["model.diffusion_model.label_emb.0.0.weight"] = ("F16", [1280, 1500])


def _first_stage(tensors: Tensors) -> None:
    tensors["cond_stage_model.transformer.text_model.final_layer_norm.bias"] = ("F16", [768])


def _no_layers(tensors: Tensors) -> None:
    del tensors["conditioner.embedders.1.model.transformer.resblocks.0.ln_1.weight"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_one_encoder, "only clip_l"),
        (_other_projection, "clip_g gives 512"),
        (_no_projection, "clip_g gives None"),
        (_odd_vector, "1500 channels has no place"),
        (_first_stage, "text encoder of Stable Diffusion 1 or 2"),
        (_no_layers, "0 layers of 1280 channels"),
    ],
)
def test_what_is_not_stable_diffusion_xl_is_named(change: Callable[[Tensors], None], said: str) -> None:
    tensors = dict(real_files()["sdxl_base"]["tensors"])
    change(tensors)
    answer = SdxlFamily().identify(header_of(tensors))
    assert isinstance(answer, Refusal)
    assert said in answer.reason


def test_patch_names_tell_the_encoders_apart() -> None:
    header = real_header("sdxl_base")
    _, text, _ = SdxlFamily().parts(header, _identity(header))
    assert text.patch_names
    names = text.patch_names()
    for alias, wanted in {
        "lora_te1_text_model_encoder_layers_0_mlp_fc1": "clip_l.encoder.layers.0.mlp.fc1.weight",
        "lora_te2_text_model_encoder_layers_0_mlp_fc1": "clip_g.text_model.encoder.layers.0.mlp.fc1.weight",
        "text_encoder_2.text_model.encoder.layers.31.self_attn.q_proj": (
            "clip_g.text_model.encoder.layers.31.self_attn.q_proj.weight"
        ),
        "lora_te2_text_projection": "clip_g.text_projection.weight",
        "text_encoders.clip_l.transformer.text_model.final_layer_norm": "clip_l.final_layer_norm.weight",
    }.items():
        assert names[alias] == wanted
    assert set(names.values()) <= set(text.weights)
