from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.custom_sampling import sampler_nodes, solver_nodes
from host.builtin_nodes.sampling.noise import generator, start_noise
from host.builtin_nodes.sampling.run import sample
from host.builtin_nodes.sampling.schedulers import karras
from host.builtin_nodes.sampling.traits import BROWNIAN_NOISE
from sdk import SamplerRecord
from tests.host.builtin_nodes.custom_sampling.counting_model import counting_model
from tests.host.builtin_nodes.sampling.mixture import MixtureModel

SIGMAS = torch.tensor([5.0, 2.0, 1.0, 0.0])


def _sampled(sampler: SamplerRecord, sigmas: Tensor = SIGMAS) -> Tensor:
    means = torch.randn(2, 4, 1, 1, generator=generator(3))
    model = MixtureModel(counting_model().adapter.parametrisation, means, torch.tensor([0.5, 0.3]))
    return sample(
        model,
        sampler=sampler,
        sigmas=sigmas,
        positive=[[torch.zeros(1, 4, 2), {}]],
        negative=[[torch.ones(1, 4, 2), {}]],
        cfg=2.0,
        latent=torch.zeros(1, 4, 8, 8),
        noise=start_noise((1, 4, 8, 8), generator(1)),
        seed=1,
    )


DEFAULTS: dict[str, dict[str, Any]] = {
    "SamplerDPMPP_2M_SDE": {"solver_type": "heun", "noise_device": "gpu"},
    "SamplerDPMPP_3M_SDE": {"noise_device": "cpu"},
    "SamplerDPMPP_SDE": {"noise_device": "cpu"},
    "SamplerER_SDE": {"solver_type": "ODE"},
    "SamplerSASolver": {"model": counting_model(), "use_pece": False, "simple_order_2": False},
    "SamplerEulerCFGpp": {"version": "alternative"},
    "SamplerLCMUpscale": {"upscale_method": "bislerp"},
}
NODES = [
    node for pack in (sampler_nodes, solver_nodes) for node in pack.register_nodes() if node.id != "KSamplerSelect"
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.id)
def test_every_node_gives_an_algorithm_that_runs(node: Any) -> None:
    found = _sampled(node(**DEFAULTS.get(node.id, {})))
    assert found.shape == (1, 4, 8, 8)
    assert bool(found.isfinite().all())


def test_settings_reach_the_algorithm_and_its_facts_stay() -> None:
    quiet = solver_nodes.sampler_dpmpp_sde(eta=0.0, noise_device="cpu")
    lively = solver_nodes.sampler_dpmpp_sde(eta=1.0, noise_device="cpu")
    assert not torch.equal(_sampled(quiet), _sampled(lively))
    assert BROWNIAN_NOISE in quiet.traits


def test_eta_counts_for_the_reverse_time_equation_alone() -> None:
    for kind, differs in (("ER-SDE", False), ("Reverse-time SDE", True), ("ODE", False)):
        found = [_sampled(solver_nodes.sampler_er_sde(solver_type=kind, eta=eta)) for eta in (0.5, 1.5)]
        assert torch.equal(*found) is not differs


def test_a_reverse_time_equation_that_is_not_stochastic_is_the_ode() -> None:
    ode = solver_nodes.sampler_er_sde(solver_type="ODE")
    still = solver_nodes.sampler_er_sde(solver_type="Reverse-time SDE", eta=0.0)
    levels = karras(12, 0.03, 14.0)
    assert torch.equal(_sampled(still, levels), _sampled(ode, levels))


@pytest.mark.parametrize(("steps", "side"), [(-1, 12), (1, 12), (0, 8)])
def test_a_growing_latent_ends_at_its_ratio(steps: int, side: int) -> None:
    sampler = sampler_nodes.sampler_lcm_upscale(scale_ratio=1.5, scale_steps=steps, upscale_method="bilinear")
    assert _sampled(sampler).shape == (1, 4, side, side)
