"""Nodes that set up the DPM and SDE solvers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Model, NodeType, Range, Sampler, TypedCombo, hookimpl, node

CATEGORY = "sampling/custom_sampling/samplers"
TOOLTIPS = ("The sampling algorithm.",)
Amount = Annotated[float, Range(0.0, 100.0, 0.01, round=False)]
NoiseDevice = Literal["gpu", "cpu"]
Percent = Annotated[float, Range(0.0, 1.0, 0.001)]


@node(id="SamplerDPMPP_2M_SDE", title="SamplerDPMPP_2M_SDE", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_dpmpp_2m_sde(
    *, solver_type: Literal["midpoint", "heun"], eta: Amount = 1.0, s_noise: Amount = 1.0, noise_device: NoiseDevice
) -> Sampler:
    """DPM-Solver++(2M) with noise: two estimates for each step (Lu et al. 2022).

    Args:
        solver_type: How the two estimates are combined.
        eta: How much noise is exchanged in a step; 0 for none.
        s_noise: Factor on the fresh noise.
        noise_device: Without effect here: noise is always drawn on the CPU, so that a seed means the same everywhere.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("dpmpp_2m_sde", solver_type=solver_type, eta=eta, s_noise=s_noise)


@node(id="SamplerDPMPP_3M_SDE", title="SamplerDPMPP_3M_SDE", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_dpmpp_3m_sde(*, eta: Amount = 1.0, s_noise: Amount = 1.0, noise_device: NoiseDevice) -> Sampler:
    """DPM-Solver++(3M) with noise: three estimates for each step (Lu et al. 2022).

    Args:
        eta: How much noise is exchanged in a step; 0 for none.
        s_noise: Factor on the fresh noise.
        noise_device: Without effect here: noise is always drawn on the CPU, so that a seed means the same everywhere.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("dpmpp_3m_sde", eta=eta, s_noise=s_noise)


@node(id="SamplerDPMPP_SDE", title="SamplerDPMPP_SDE", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_dpmpp_sde(
    *, eta: Amount = 1.0, s_noise: Amount = 1.0, r: Amount = 0.5, noise_device: NoiseDevice
) -> Sampler:
    """DPM-Solver++ with noise: two evaluations for each step (Lu et al. 2022).

    Args:
        eta: How much noise is exchanged in a step; 0 for none.
        s_noise: Factor on the fresh noise.
        r: Where in a step the second evaluation is, as a share of the way.
        noise_device: Without effect here: noise is always drawn on the CPU, so that a seed means the same everywhere.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("dpmpp_sde", eta=eta, s_noise=s_noise, r=r)


@node(id="SamplerDPMPP_2S_Ancestral", title="SamplerDPMPP_2S_Ancestral", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_dpmpp_2s_ancestral(eta: Amount = 1.0, s_noise: Amount = 1.0) -> Sampler:
    """DPM-Solver++(2S), with steps that take out too much noise and add fresh noise instead (Lu et al. 2022).

    Args:
        eta: How much noise is exchanged in a step; 0 for none.
        s_noise: Factor on the fresh noise.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("dpmpp_2s_ancestral", eta=eta, s_noise=s_noise)


@node(id="SamplerDPMAdaptative", title="SamplerDPMAdaptative", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_dpm_adaptive(
    order: Annotated[int, Range(2, 3)] = 3,
    rtol: Amount = 0.05,
    atol: Amount = 0.0078,
    h_init: Amount = 0.05,
    pcoeff: Amount = 0.0,
    icoeff: Amount = 1.0,
    dcoeff: Amount = 0.0,
    accept_safety: Amount = 0.81,
    eta: Amount = 0.0,
    s_noise: Amount = 1.0,
) -> Sampler:
    """DPM-Solver with steps as long as their error allows (Lu et al. 2022); the levels' number does not count.

    Args:
        order: Order of the solver.
        rtol: Error allowed in a step, relative to the sample.
        atol: Error allowed in a step where the sample is close to 0.
        h_init: Length of the first step, in log-sigma.
        pcoeff: How much the last error itself counts for the next step's length.
        icoeff: How much the sum of errors counts.
        dcoeff: How much the change of errors counts.
        accept_safety: A step stands if the next one would be at least this many times as long.
        eta: How much noise is exchanged in a step; 0 for none.
        s_noise: Factor on the fresh noise.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings(
        "dpm_adaptive",
        order=order,
        rtol=rtol,
        atol=atol,
        h_init=h_init,
        pcoeff=pcoeff,
        icoeff=icoeff,
        dcoeff=dcoeff,
        accept_safety=accept_safety,
        eta=eta,
        s_noise=s_noise,
    )


@node(id="SamplerER_SDE", title="SamplerER_SDE", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_er_sde(
    *,
    solver_type: Annotated[Literal["ER-SDE", "Reverse-time SDE", "ODE"], TypedCombo()],
    max_stage: Annotated[int, Range(1, 3)] = 3,
    eta: Amount = 1.0,
    s_noise: Amount = 1.0,
) -> Sampler:
    """ER-SDE-Solver: between an ODE and a reverse-time SDE (Cui et al. 2023).

    Args:
        solver_type: The equation that is solved.
        max_stage: Order of the solver.
        eta: How stochastic the reverse-time equation is; without effect on the others.
        s_noise: Factor on the fresh noise; without effect on the ODE.
    """
    from host.builtin_nodes.custom_sampling.algorithms import er_sde

    return er_sde(solver_type, max_stage, eta, s_noise)


@node(id="SamplerSASolver", title="SamplerSASolver", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_sa_solver(
    *,
    model: Model,
    eta: Annotated[float, Range(0.0, 10.0, 0.01, round=False)] = 1.0,
    sde_start_percent: Percent = 0.2,
    sde_end_percent: Percent = 0.8,
    s_noise: Amount = 1.0,
    predictor_order: Annotated[int, Range(1, 6)] = 3,
    corrector_order: Annotated[int, Range(0, 6)] = 4,
    use_pece: bool,
    simple_order_2: bool,
) -> Sampler:
    """SA-Solver: predictor and corrector steps, stochastic in a part of the run (Xue et al. 2023).

    Args:
        model: The model that is sampled; its levels say where the percentages lie.
        eta: How stochastic that part is.
        sde_start_percent: Share of the run after which it begins.
        sde_end_percent: Share of the run after which it ends.
        s_noise: Factor on the fresh noise.
        predictor_order: How many estimates a prediction uses.
        corrector_order: How many estimates a correction uses; 0 for no corrections.
        use_pece: Evaluate the model once more after each correction.
        simple_order_2: Use the paper's simplified weights where there are two estimates.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings
    from host.builtin_nodes.families.sampled_model import parametrisation_of
    from host.builtin_nodes.sampling.samplers.sa_solver import tau_between

    return with_settings(
        "sa_solver",
        tau=tau_between(parametrisation_of(model), sde_start_percent, sde_end_percent, eta),
        s_noise=s_noise,
        predictor_order=predictor_order,
        corrector_order=corrector_order,
        use_pece=use_pece,
        simple_order_2=simple_order_2,
    )


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that set up the DPM and SDE solvers."""
    return [
        sampler_dpmpp_2m_sde,
        sampler_dpmpp_3m_sde,
        sampler_dpmpp_sde,
        sampler_dpmpp_2s_ancestral,
        sampler_dpm_adaptive,
        sampler_er_sde,
        sampler_sa_solver,
    ]
