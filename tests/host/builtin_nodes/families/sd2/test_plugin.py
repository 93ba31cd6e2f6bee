from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gguf
import numpy
import pytest
import torch
from safetensors.torch import save_file

from host.builtin_nodes.families.sd2.plugin import Sd2Family
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from sdk import Header, Identity, Refusal, TensorInfo
from tests.host.builtin_nodes.families.real_headers import header_of, real_files, real_header

TELLING = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def _identity(header: Header) -> Identity:
    answer = Sd2Family().identify(header)
    assert isinstance(answer, Identity), answer
    return answer


def _stored(tmp_path: Path, spread: float, suffix: str) -> Header:
    """A real file's header, and a file that has of its tensors the telling one alone."""
    path = tmp_path / f"model{suffix}"
    bias = torch.linspace(-spread, spread, 320)
    if suffix == ".ckpt":
        torch.save({"state_dict": {TELLING: bias}, "loss": numpy.float64(0.1)}, path)
    elif suffix == ".gguf":
        writer = gguf.GGUFWriter(path, "sd2")
        writer.add_tensor(TELLING, bias.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    else:
        save_file({TELLING: bias}, path)
    header = real_header("sd21_768")
    return Header(path, header.tensors, header.metadata)


def _prediction(header: Header) -> Any:
    return Sd2Family().parts(header, _identity(header))[0].adapter.parametrisation.prediction


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".gguf"])
@pytest.mark.parametrize(("spread", "kind"), [(0.3, Velocity), (0.05, Epsilon)])
def test_one_small_tensor_tells_the_prediction(tmp_path: Path, spread: float, kind: type, suffix: str) -> None:
    assert isinstance(_prediction(_stored(tmp_path, spread, suffix)), kind)


def test_a_stated_prediction_needs_no_tensor() -> None:
    tensors = real_files()["sd21_base"]["tensors"]
    header = header_of(tensors, {"modelspec.prediction_type": "v"})
    assert _identity(header).config["prediction"] == "v"
    assert isinstance(_prediction(header), Velocity)


def test_what_cannot_be_told_is_assumed_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert isinstance(_prediction(real_header("sd21_base")), Epsilon)
    assert "noise is assumed" in caplog.text


def test_a_broken_file_is_told_apart_from_one_without_the_tensor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header = _stored(tmp_path, 0.3, ".safetensors")
    header.path.write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING):
        assert isinstance(_prediction(header), Epsilon)
    assert "can't read its tensor" in caplog.text


def test_a_pickle_of_the_old_format_is_told_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    header = _stored(tmp_path, 0.3, ".ckpt")
    torch.save({TELLING: torch.ones(320)}, header.path, _use_new_zipfile_serialization=False)
    with caplog.at_level(logging.WARNING):
        assert isinstance(_prediction(header), Epsilon)
    assert "can't read its tensor" in caplog.text


def test_inpainting_models_predict_noise() -> None:
    config = _identity(real_header("sd2_inpainting")).config
    assert (config["prediction"], config["variant"]) == ("eps", "inpainting")


def test_query_key_and_value_are_thirds_of_one_tensor() -> None:
    header = real_header("sd21_base")
    _, text, _ = Sd2Family().parts(header, _identity(header))
    sources = [text.weights[f"text_model.encoder.layers.3.self_attn.{name}_proj.bias"] for name in "qkv"]
    assert [source.narrow for source in sources] == [(0, 0, 1024), (0, 1024, 1024), (0, 2048, 1024)]
    assert len({source.key for source in sources}) == 1


@pytest.mark.parametrize(
    ("key", "shape", "said"),
    [
        ("model.diffusion_model.label_emb.0.0.weight", [1280, 2048], "conditioning vector"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", [768], "Stable Diffusion 1"),
        ("conditioner.embedders.0.model.ln_final.bias", [1280], "several text encoders"),
    ],
)
def test_what_is_not_stable_diffusion_2_is_named(key: str, shape: list[int], said: str) -> None:
    header = real_header("sd21_base")
    tensors = {**header.tensors, key: TensorInfo("F16", tuple(shape))}
    answer = Sd2Family().identify(Header(header.path, tensors))
    assert isinstance(answer, Refusal)
    assert said in answer.reason
