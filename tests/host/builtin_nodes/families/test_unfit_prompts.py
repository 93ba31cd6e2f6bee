from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.nn import Linear, Module

from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.interface import DenoiserAdapter
from host.builtin_nodes.families.sampled_model import FamilyModel
from host.builtin_nodes.families.sd1.adapters import denoiser
from host.builtin_nodes.families.sd3.denoiser import sd3_denoiser
from host.builtin_nodes.families.unfit_prompts import UnfitPrompt

LATENT = torch.zeros(1, 4, 8, 8)


def _unet(context: int) -> Module:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            block_out_channels=(32,),
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",),
            cross_attention_dim=context,
            attention_head_dim=8,
        )
    return unet.to_empty(device="cpu")


def test_a_prompt_from_another_model_s_encoders_is_refused_before_anything_is_computed() -> None:
    model = FamilyModel(_unet(768), denoiser(4, "eps", zero_snr=False))
    fitting, other = ([[torch.zeros(1, 77, width), {}]] for width in (768, 2048))

    assert len(model.prepare(fitting, LATENT, None)) == 1
    with pytest.raises(UnfitPrompt, match="A prompt has 2048 channels for each token; this model wants one of 768 ch"):
        model.prepare([*fitting, *other], LATENT, None)


def test_a_network_that_does_not_say_what_it_takes_is_given_any_prompt() -> None:
    model = FamilyModel(Linear(1, 1), denoiser(4, "eps", zero_snr=False))
    assert len(model.prepare([[torch.zeros(1, 77, 5), {}]], LATENT, None)) == 1


@pytest.mark.parametrize(
    "adapter", [sd3_denoiser(16, 2048, 192, 2), flux_denoiser(16, 2048, guidance=True)], ids=["sd3", "flux"]
)
def test_a_pooled_vector_of_another_width_is_refused_and_none_counts_as_zeros(adapter: DenoiserAdapter) -> None:
    latent = torch.zeros(1, 16, 8, 8)
    found = adapter.inputs({}, latent, None)["vector"]
    assert (found.shape, torch.count_nonzero(found)) == ((1, 2048), 0)
    with pytest.raises(UnfitPrompt, match="a pooled vector of 768 channels; this model wants one of 2048 channels"):
        adapter.inputs({"pooled_output": torch.zeros(1, 768)}, latent, None)
