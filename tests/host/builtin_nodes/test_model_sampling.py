from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes import model_sampling as nodes
from host.builtin_nodes.families.sampled_model import FamilyModel, latent_format_of, parametrisation_of
from host.builtin_nodes.sampling.guidance import Entry
from host.builtin_nodes.sampling.parametrisation import flux_mu
from host.builtin_nodes.sampling.rules import guidance_of
from tests.host.builtin_nodes.custom_sampling.counting_model import counting_model


@pytest.mark.parametrize(
    ("node", "settings", "count", "is_flow"),
    [
        (nodes.model_sampling_discrete, {"sampling": "v_prediction"}, 1000, False),
        (nodes.model_sampling_discrete, {"sampling": "lcm"}, 50, False),
        (nodes.model_sampling_continuous_edm, {"sampling": "edm"}, 1000, False),
        (nodes.model_sampling_continuous_v, {"sampling": "v_prediction"}, 1000, False),
        (nodes.model_sampling_sd3, {}, 1000, True),
        (nodes.model_sampling_aura_flow, {}, 1000, True),
        (nodes.model_sampling_stable_cascade, {}, 10_000, False),
        (nodes.model_sampling_flux, {}, 10_000, True),
    ],
)
def test_the_model_gets_other_levels_and_the_one_given_keeps_its_own(
    node: Any, settings: dict[str, Any], count: int, is_flow: bool
) -> None:
    model = counting_model()
    found = parametrisation_of(node(model=model, **settings))
    assert (len(found.sigmas), found.is_flow) == (count, is_flow)
    assert len(parametrisation_of(model).sigmas) == 1000
    assert not parametrisation_of(model).is_flow


def test_a_loaded_model_is_called_at_the_timesteps_it_was_given() -> None:
    model = nodes.model_sampling_sd3(counting_model())
    loaded = FamilyModel(torch.nn.Linear(1, 1), model.adapter, model.options)
    entry = Entry(torch.zeros(1, 7, 3), {}, "positive")
    found = loaded.predict(torch.ones(1, 4, 2, 2), torch.tensor([0.25]), [entry])
    assert model.adapter.timesteps == [250.0]
    assert torch.equal(found, torch.ones(1, 4, 2, 2))


def test_flux_moves_its_levels_by_the_size_of_the_image() -> None:
    for side, mu in ((256, 0.5), (1024, 1.15)):
        assert flux_mu(side, side) == pytest.approx(mu)
    small, large = (nodes.model_sampling_flux(counting_model(), width=side) for side in (256, 2048))
    assert parametrisation_of(small).percent_to_sigma(0.5) < parametrisation_of(large).percent_to_sigma(0.5)


@pytest.mark.parametrize("zsnr", [True, False])
def test_a_consistency_model_keeps_little_of_the_noisy_sample(zsnr: bool) -> None:
    found = parametrisation_of(nodes.model_sampling_discrete(model=counting_model(), sampling="lcm", zsnr=zsnr))
    x, output = torch.full((1, 4, 2, 2), 3.0), torch.ones(1, 4, 2, 2)
    sigma = found.sigmas[10].reshape(1, 1, 1, 1)
    torch.testing.assert_close(found.denoised(sigma, output, x), x - sigma * output, atol=1e-3, rtol=0)


def test_an_image_to_image_network_gets_its_input_as_it_is() -> None:
    found = parametrisation_of(nodes.model_sampling_discrete(model=counting_model(), sampling="img_to_img"))
    x, output = torch.rand(1, 4, 2, 2), torch.rand(1, 4, 2, 2)
    assert torch.equal(found.model_input(torch.tensor(5.0), x), x)
    assert torch.equal(found.denoised(torch.tensor(5.0), output, x), output)


def test_playgrounds_latents_have_channels_of_their_own_scale() -> None:
    model = nodes.model_sampling_continuous_edm(model=counting_model(), sampling="edm_playground_v2.5")
    scaling, latent = latent_format_of(model), torch.rand(1, 4, 3, 3)
    torch.testing.assert_close(scaling.from_model(scaling.to_model(latent)), latent)
    assert scaling.to_model(torch.tensor([-1.6574, 1.886, -1.383, 2.5155]).reshape(1, 4, 1, 1)).abs().max() == 0


def test_guidance_nodes_leave_their_rule_on_the_model() -> None:
    model = counting_model()
    assert guidance_of(nodes.rescale_cfg(model)).formula is not None
    assert len(guidance_of(nodes.epsilon_scaling(model)).after) == 1
    assert guidance_of(model).formula is None
