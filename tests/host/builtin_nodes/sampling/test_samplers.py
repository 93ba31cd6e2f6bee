"""Samplers on a single Gaussian, whose probability-flow ODE has a closed solution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import noise as noises
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.guidance import CfgDenoiser
from host.builtin_nodes.sampling.registry import SAMPLERS
from host.builtin_nodes.sampling.run import run_sampler, step_noise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from host.builtin_nodes.sampling.samplers.cfg_pp import sample_euler_cfg_pp_alternative
from host.builtin_nodes.sampling.samplers.multistep import adams_weights, ipndm_v_weights
from host.builtin_nodes.sampling.samplers.unipc import sample_uni_pc
from host.builtin_nodes.sampling.schedulers import karras
from sdk import NodeError
from sdk.sampling import Sampler
from tests.host.builtin_nodes.sampling.mixture import MixtureModel

MEAN, STD = 0.5, 0.3
SHAPE = (1, 4, 8, 8)
START = noises.start_noise(SHAPE, noises.generator(11)) * 10
BY_NAME = {sampler.name: sampler for sampler in SAMPLERS}

FIRST_ORDER = ["euler", "ddim", "euler_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp"]
HIGHER_ORDER = [
    "heun", "heunpp2", "dpm_2", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2m", "dpmpp_2m_cfg_pp", "ipndm", "ipndm_v",
    "deis", "res_multistep", "res_multistep_cfg_pp", "uni_pc", "uni_pc_bh2",
]  # fmt: skip
STOCHASTIC = sorted(BY_NAME.keys() - {*FIRST_ORDER, *HIGHER_ORDER})


# They add noise as variance-exploding models need it, also to flow models, as in the images people have of them.
ADDS_TOO_LITTLE_TO_FLOWS = {
    "ddpm", "dpmpp_2s_ancestral_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp"
}  # fmt: skip


def denoiser(parametrisation: kinds.Parametrisation | None = None) -> CfgDenoiser:
    model = MixtureModel(
        parametrisation or kinds.continuous_edm(0.002, 80.0), torch.full((1, 4, 8, 8), MEAN), torch.tensor([STD])
    )
    prompt = [[torch.zeros(1, 1, 1), {}]]
    return CfgDenoiser(model, prompt, prompt, cfg=1.0)


def solution(x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return MEAN + (x - MEAN) * ((STD**2 + sigma_next**2) / (STD**2 + sigma**2)) ** 0.5


def error(sampler: Sampler, steps: int, **options: Any) -> float:
    sigmas = karras(steps, 0.05, 10.0)[:-1]
    noise = step_noise(sampler, START, 1, sigmas)
    out = sampler.function(denoiser(), START, sigmas, noise=noise, callback=lambda *step: None, **options)
    return float((out - solution(START, 10.0, float(sigmas[-1]))).abs().max())


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_twice_the_steps_halve_a_first_order_error(name: str) -> None:
    coarse, fine = error(BY_NAME[name], 100), error(BY_NAME[name], 200)
    assert fine < 0.01
    assert coarse / fine > 1.7


@pytest.mark.parametrize("name", sorted(set(HIGHER_ORDER) - {"dpm_adaptive", "heunpp2", "ipndm", "ipndm_v"}))
def test_higher_orders_are_nearer_the_solution_than_euler(name: str) -> None:
    assert error(BY_NAME[name], 40) < error(BY_NAME["euler"], 40) / 5


@pytest.mark.parametrize("name", ["heunpp2", "ipndm", "ipndm_v"])
def test_solvers_with_weights_of_their_own_come_near_the_solution_too(name: str) -> None:
    assert error(BY_NAME[name], 200) < 0.05


def test_an_adaptive_run_is_as_exact_as_its_tolerance() -> None:
    assert error(BY_NAME["dpm_adaptive"], 3, rtol=1e-4, atol=1e-5) < 1e-3
    assert error(BY_NAME["dpm_adaptive"], 3) > 1e-5


@pytest.mark.parametrize("options", [{"accept_safety": 17.0}, {"rtol": 0.0, "atol": 0.0}, {"dcoeff": float("nan")}])
def test_an_adaptive_run_that_would_never_end_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(NodeError, match="come to no end"):
        error(BY_NAME["dpm_adaptive"], 3, **options)


def test_an_adaptive_run_can_go_up_to_the_noise_a_sample_came_from() -> None:
    rising = torch.tensor([0.1, 1.0, 5.0])
    sampler, quiet = BY_NAME["dpm_adaptive"], START / 100
    out = sampler.function(
        denoiser(), quiet, rising, noise=step_noise(sampler, quiet, 1, rising), callback=lambda *step: None, rtol=1e-3
    )
    torch.testing.assert_close(out, solution(quiet, 0.1, 5.0), atol=0.02, rtol=0.01)
    with pytest.raises(NodeError, match="set eta to 0"):
        sampler.function(denoiser(), quiet, rising, noise=lambda *levels: quiet, callback=lambda *step: None, eta=1.0)


@pytest.mark.parametrize("name", ["dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"])
def test_steps_that_exchange_no_noise_solve_the_ode_on_the_way_up(name: str) -> None:
    rising, quiet = karras(100, 0.1, 5.0)[:-1].flip(0), START / 100
    out = BY_NAME[name].function(
        denoiser(), quiet, rising, noise=lambda *levels: quiet, callback=lambda *step: None, eta=0.0
    )
    torch.testing.assert_close(out, solution(quiet, 0.1, 5.0), atol=0.02, rtol=0.01)


def test_levels_that_rise_are_drawn_anew_by_ancestral_steps() -> None:
    down, up = ancestral_step(torch.tensor(1.0), torch.tensor(3.0))
    assert (float(down), float(up)) == (0.0, 3.0)
    rising = torch.tensor([1.0, 3.0, 2.0])
    for name in ("euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"):
        sampler = BY_NAME[name]
        out = sampler.function(
            denoiser(), START, rising, noise=step_noise(sampler, START, 1, rising), callback=lambda *step: None
        )
        assert bool(out.isfinite().all()), name


def test_an_ancestral_euler_step_that_exchanges_all_noise_ends_at_the_estimate() -> None:
    levels, guide = torch.tensor([10.0, 2.0]), denoiser()
    out = BY_NAME["euler_ancestral"].function(
        guide, START, levels, noise=lambda *levels: START, callback=lambda *step: None, eta=3.0
    )
    assert torch.equal(out, guide(START, 10.0))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_samplers_end_in_the_distribution(name: str) -> None:
    ends_in_the_distribution(name, kinds.continuous_edm(0.002, 80.0), karras(60, 0.05, 10.0))


@pytest.mark.parametrize("name", sorted(set(STOCHASTIC) - ADDS_TOO_LITTLE_TO_FLOWS))
def test_stochastic_samplers_of_flow_models_end_in_the_distribution(name: str) -> None:
    ends_in_the_distribution(name, kinds.flow(), karras(60, 0.02, 1.0))


def ends_in_the_distribution(name: str, parametrisation: kinds.Parametrisation, sigmas: Tensor) -> None:
    noise = noises.start_noise(SHAPE, noises.generator(5))
    guide = denoiser(parametrisation)
    out = run_sampler(guide, BY_NAME[name], sigmas, torch.zeros(SHAPE), noise, 6, None, {})
    assert float(out.mean()) == pytest.approx(MEAN, abs=0.1)
    assert float(out.std()) == pytest.approx(STD, abs=0.1)


class Prophecy:
    """Noise that notes what is foreseen, and what is asked for then."""

    def __init__(self) -> None:
        self.foreseen: list[tuple[float, float]] = []
        self.asked: list[tuple[float, float]] = []

    def foresee(self, ways: Iterable[tuple[float, float]]) -> None:
        self.foreseen += ways

    def close(self) -> None:
        """There is nothing to leave."""

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        self.asked.append((sigma, sigma_next))
        return START / 10


@pytest.mark.parametrize("name", sorted(name for name in BY_NAME if "sde" in name and name != "er_sde"))
@pytest.mark.parametrize("levels", [[10.0, 4.0, 1.0, 0.3, 0.0], [1.0, 0.7, 0.2]])
def test_samplers_of_brownian_noise_ask_for_what_they_foresee(name: str, levels: list[float]) -> None:
    noise, guide = Prophecy(), denoiser(kinds.flow() if levels[0] == 1 else None)
    BY_NAME[name].function(guide, START, torch.tensor(levels), noise=noise, callback=lambda *step: None)
    assert noise.asked == noise.foreseen
    assert len(noise.asked) >= 2


@pytest.mark.parametrize("options", [{"eta": 0.0}, {"s_noise": 0.0}])
@pytest.mark.parametrize("name", ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"])
def test_samplers_without_noise_foresee_none(name: str, options: dict[str, float]) -> None:
    noise = Prophecy()
    levels = torch.tensor([10.0, 1.0, 0.0])
    BY_NAME[name].function(denoiser(), START, levels, noise=noise, callback=lambda *step: None, **options)
    assert noise.foreseen == noise.asked == []


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_samplers_leave_their_inputs_alone(sampler: Sampler) -> None:
    sigmas = karras(4, 0.05, 10.0)
    if "lifted_end" in sampler.traits:
        sigmas[-1] = 0.001
    x, levels = START.clone(), sigmas.clone()
    noise = step_noise(sampler, x, 1, sigmas)
    sampler.function(denoiser(), x, sigmas, noise=noise, callback=lambda *step: None)
    assert torch.equal(x, START)
    assert torch.equal(sigmas, levels)


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "seeds_2"])
def test_without_noise_stochastic_samplers_solve_the_ode(name: str) -> None:
    assert error(BY_NAME[name], 100, eta=0.0) < 0.02


def test_the_other_cfg_pp_steps_as_euler_where_both_prompts_agree() -> None:
    other = Sampler(name="other", function=sample_euler_cfg_pp_alternative)
    assert error(other, 20) == pytest.approx(error(BY_NAME["euler"], 20), rel=1e-4)


def test_even_spacing_gives_the_classic_adams_bashforth_weights() -> None:
    classic = [55 / 24, -59 / 24, 37 / 24, -9 / 24]
    assert adams_weights([0.0, -1.0, -2.0, -3.0], 1.0) == pytest.approx(classic)


def test_uneven_weights_are_those_of_adams_bashforth_up_to_the_second_order() -> None:
    assert ipndm_v_weights([2.0]) == [1.0]
    assert [2 * weight for weight in ipndm_v_weights([2.0, 1.0])] == pytest.approx(adams_weights([0.0, -1.0], 2.0))


@pytest.mark.parametrize(
    ("name", "options"),
    [("dpmpp_2m_sde", {"solver_type": "rk4"}), ("dpm_adaptive", {"order": 5}), ("uni_pc", {"b_h": "bh3"})],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        error(BY_NAME[name], 3, **options)


def test_a_single_unipc_step_is_of_first_order() -> None:
    sigmas = torch.tensor([1.0, 0.5])
    guide = denoiser()
    out = sample_uni_pc(guide, START, sigmas, noise=lambda *levels: START, callback=lambda *step: None)
    denoised = guide(START, 1.0)
    torch.testing.assert_close(out, denoised + (START - denoised) / 2, atol=1e-4, rtol=1e-4)
