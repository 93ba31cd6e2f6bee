from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.families.sdxl_refiner.plugin import SdxlRefinerFamily
from sdk import Header, Identity, Refusal
from tests.host.builtin_nodes.families.real_headers import header_of, real_files, real_header

LATENT = torch.zeros(1, 4, 96, 128)


def _identity(header: Header) -> Identity:
    answer = SdxlRefinerFamily().identify(header)
    assert isinstance(answer, Identity), answer
    return answer


@pytest.fixture
def denoiser() -> Any:
    header = real_header("sdxl_refiner")
    return SdxlRefinerFamily().parts(header, _identity(header))[0].adapter


def test_a_refiner_alone_is_a_denoiser() -> None:
    prefix = "model.diffusion_model."
    tensors = real_files()["sdxl_refiner"]["tensors"]
    alone = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    assert _identity(header_of(alone)).kind == "denoiser"


def test_the_score_left_out_depends_on_the_prompts_side(denoiser: Any) -> None:
    pooled = {"pooled_output": torch.randn(1, 1280)}
    by_side = denoiser.inputs(pooled, LATENT, None)
    for name, score in {"vector": 6.0, "negative vector": 2.5}.items():
        stated = denoiser.inputs({**pooled, "aesthetic_score": score}, LATENT, None)
        assert set(stated) == {"vector"}
        torch.testing.assert_close(by_side[name], stated["vector"])


def test_the_base_model_is_refused() -> None:
    answer = SdxlRefinerFamily().identify(real_header("sdxl_base"))
    assert isinstance(answer, Refusal)
    assert "base model" in answer.reason


def test_a_lone_unet_of_the_base_model_is_refused_for_its_vector() -> None:
    answer = SdxlRefinerFamily().identify(real_header("sdxl_unet_diffusers"))
    assert isinstance(answer, Refusal)
    assert "2816" in answer.reason
