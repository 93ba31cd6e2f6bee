from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.custom_sampling.guider_nodes import basic_guider, cfg_guider, dual_cfg_guider, perp_neg_guider
from host.builtin_nodes.custom_sampling.noise_nodes import add_noise, disable_noise, random_noise
from host.builtin_nodes.custom_sampling.run_nodes import sampler_custom, sampler_custom_advanced
from host.builtin_nodes.custom_sampling.sampler_nodes import ksampler_select
from host.builtin_nodes.sampler_nodes import ksampler
from sdk import Cancelled, NodeError
from tests.host.builtin_nodes.custom_sampling.counting_model import context, counting_model, prompt

SIGMAS = torch.tensor([10.0, 3.0, 1.0, 0.0])
LATENT = {"samples": torch.full((1, 4, 4, 4), 0.5), "batch_index": [2]}


def _advanced(guider: Any, *, noise: Any = None, sigmas: Tensor = SIGMAS, told: Any = None) -> Any:
    told = told or context()
    return sampler_custom_advanced(
        noise=random_noise(noise_seed=1) if noise is None else noise,
        guider=guider,
        sampler=ksampler_select(sampler_name="euler", context=told),
        sigmas=sigmas,
        latent_image=LATENT,
        context=told,
    )


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 64, 100), r"has 3 dimensions, \[1, 64, 100\].* it is a sound, and the model makes pictures"),
        ((1, 4, 3, 8, 8), "it is a video, and the model makes pictures"),
    ],
)
def test_a_latent_of_another_kind_is_told_by_what_it_is(shape: tuple[int, ...], said: str) -> None:
    chosen = {"sampler_name": "euler", "scheduler": "normal", "steps": 2}
    asked = {"model": counting_model(), "positive": prompt(1.0), "negative": prompt(2.0), "context": context()}
    with pytest.raises(NodeError, match=said):
        ksampler(**asked, **chosen, latent_image={"samples": torch.zeros(shape)})


@pytest.mark.parametrize(
    ("sampler", "sigmas", "said"),
    [
        ("euler", [float("nan"), 1.0], "euler can't run on the noise levels nan, 1: they are no finite numbers"),
        ("dpmpp_sde", [0.0, 1.0, 5.0], "they hold a 0 before the last"),
        ("dpmpp_3m_sde", [0.0, 0.0], "they hold a 0 before the last"),
        ("dpmpp_3m_sde", [2.0, 1.0, 1.0, 1.0, 0.0], "they repeat a level, or rise"),
    ],
)
def test_levels_that_a_sampler_can_not_run_on_are_told(sampler: str, sigmas: list[float], said: str) -> None:
    told = context()
    with pytest.raises(NodeError, match=said):
        sampler_custom(
            model=counting_model(),
            positive=prompt(1.0),
            negative=prompt(2.0),
            sampler=ksampler_select(sampler_name=sampler, context=told),
            sigmas=torch.tensor(sigmas),
            latent_image=LATENT,
            context=told,
        )


def test_four_nodes_do_what_one_does() -> None:
    model, told = counting_model(), context()
    sigmas = told.schedulers["normal"].function(model.adapter.parametrisation, 3)
    apart, _ = _advanced(cfg_guider(model, prompt(1.0), prompt(2.0), cfg=2.0), sigmas=sigmas)
    whole = ksampler(
        model=model,
        seed=1,
        steps=3,
        cfg=2.0,
        sampler_name="euler",
        scheduler="normal",
        positive=prompt(1.0),
        negative=prompt(2.0),
        latent_image=LATENT,
        context=told,
    )
    assert torch.equal(apart["samples"], whole["samples"])
    assert apart["batch_index"] == [2]


def test_each_guider_evaluates_its_own_prompts() -> None:
    one, two, three = (prompt(number) for number in (1.0, 2.0, 3.0))
    wanted = {
        basic_guider: ((one,), {1.0}),
        cfg_guider: ((one, two), {1.0, 2.0}),
        dual_cfg_guider: ((one, two, three), {1.0, 2.0, 3.0}),
        perp_neg_guider: ((one, two, three), {1.0, 2.0, 3.0}),
    }
    for node, (prompts, numbers) in wanted.items():
        model = counting_model()
        style = {"style": "nested"} if node is dual_cfg_guider else {}
        names = [item.name for item in node.inputs][1 : 1 + len(prompts)]
        _advanced(node(model=model, **dict(zip(names, prompts, strict=True)), **style))
        assert {number for call in model.adapter.prompts for number in call} == numbers


def test_the_second_output_is_the_last_estimate_of_the_clean_latent() -> None:
    # The network finds no noise, so the sample is its own estimate.
    output, denoised = _advanced(basic_guider(counting_model(), prompt(1.0)), sigmas=SIGMAS[:2])
    torch.testing.assert_close(denoised["samples"], output["samples"])
    assert denoised["batch_index"] == [2]


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_step_nothing_is_evaluated_and_both_outputs_are_the_same(count: int) -> None:
    model = counting_model()
    output, denoised = _advanced(basic_guider(model, prompt(1.0)), sigmas=SIGMAS[:count])
    assert torch.equal(output["samples"], denoised["samples"])
    assert model.adapter.prompts == []


def test_without_noise_the_latent_is_left_where_the_network_finds_none() -> None:
    guider = basic_guider(counting_model(), prompt(1.0))
    output, _ = _advanced(guider, noise=disable_noise())
    torch.testing.assert_close(output["samples"], LATENT["samples"])


def test_every_step_is_reported_and_can_be_the_last() -> None:
    told = context()
    told.cancel_after = 2
    with pytest.raises(Cancelled):
        _advanced(basic_guider(counting_model(), prompt(1.0)), told=told)
    assert told.progressed == [(1, 3), (2, 3)]


@pytest.mark.parametrize("with_noise", [True, False])
def test_the_middle_node_noises_only_where_asked(with_noise: bool) -> None:
    told = context()
    output, _ = sampler_custom(
        model=counting_model(),
        add_noise=with_noise,
        noise_seed=1,
        cfg=1.0,
        positive=prompt(1.0),
        negative=prompt(2.0),
        sampler=ksampler_select(sampler_name="euler", context=told),
        sigmas=SIGMAS,
        latent_image=LATENT,
        context=told,
    )
    assert torch.allclose(output["samples"], LATENT["samples"]) is not with_noise


def test_an_unknown_algorithm_is_refused_with_a_list_of_the_known() -> None:
    with pytest.raises(NodeError, match=r"no sampler called 'nonesuch'\. Known are: .*euler"):
        ksampler_select(sampler_name="nonesuch", context=context())


def test_noise_is_added_in_the_networks_space() -> None:
    noise = random_noise(noise_seed=1)
    found = add_noise(counting_model(), noise, SIGMAS[:2], LATENT)["samples"]
    torch.testing.assert_close(found, LATENT["samples"] + 7.0 * noise.generate_noise(LATENT) / 0.5)


def test_without_levels_no_noise_is_added() -> None:
    found = add_noise(counting_model(), random_noise(noise_seed=1), SIGMAS[:0], LATENT)
    assert found == LATENT
