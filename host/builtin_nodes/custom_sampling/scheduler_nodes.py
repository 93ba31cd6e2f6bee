"""Nodes that make the noise levels of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Choice, Model, NodeContext, NodeError, NodeType, Range, Sigmas, hookimpl, node

CATEGORY = "sampling/custom_sampling/schedulers"
TOOLTIPS = ("The noise levels, one more than there are steps.",)
Steps = Annotated[int, Range(1, 10_000)]
Level = Annotated[float, Range(0.0, 5000.0, 0.01, round=False)]
Exponent = Annotated[float, Range(0.0, 100.0, 0.01, round=False)]
Share = Annotated[float, Range(0.0, 1.0, 0.01)]
Shape = Annotated[float, Range(0.0, 50.0, 0.01, round=False)]


@node(id="BasicScheduler", title="BasicScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def basic_scheduler(
    *,
    model: Model,
    scheduler: Annotated[str, Choice(source="schedulers")],
    steps: Steps = 20,
    denoise: Share = 1.0,
    context: NodeContext,
) -> Sigmas:
    """Make the levels of a schedule by its name.

    Args:
        model: The model whose levels are used.
        scheduler: How the noise falls from step to step.
        steps: How many steps there are.
        denoise: Share of the noise that is removed: below 1 the levels are the end of a longer schedule.
    """
    from host.builtin_nodes.denoising import chosen
    from host.builtin_nodes.families.sampled_model import parametrisation_of
    from host.builtin_nodes.sampling.steps import scheduled_sigmas

    record = chosen("scheduler", scheduler, context.schedulers)
    return scheduled_sigmas(parametrisation_of(model), record, steps, denoise)


@node(id="KarrasScheduler", title="KarrasScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def karras_scheduler(
    steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675, rho: Exponent = 7.0
) -> Sigmas:
    """Levels even in a root of sigma (Karras et al. 2022, eq. 5).

    Args:
        steps: How many steps there are.
        sigma_max: The first level.
        sigma_min: The last level above 0.
        rho: Which root; the higher, the more steps are at low levels.
    """
    from host.builtin_nodes.sampling.schedulers import karras

    _above_zero(rho=rho)
    return karras(steps, sigma_min, sigma_max, rho)


@node(id="ExponentialScheduler", title="ExponentialScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def exponential_scheduler(steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675) -> Sigmas:
    """Levels that fall by the same factor in each step.

    Args:
        steps: How many steps there are.
        sigma_max: The first level.
        sigma_min: The last level above 0.
    """
    from host.builtin_nodes.sampling.schedulers import exponential

    _above_zero(sigma_max=sigma_max, sigma_min=sigma_min)
    return exponential(steps, sigma_min, sigma_max)


@node(id="PolyexponentialScheduler", title="PolyexponentialScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def polyexponential_scheduler(
    steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675, rho: Exponent = 1.0
) -> Sigmas:
    """Levels whose logarithm falls with a power of the steps left.

    Args:
        steps: How many steps there are.
        sigma_max: The first level.
        sigma_min: The last level above 0.
        rho: The power; at 1 the levels are those of the exponential schedule.
    """
    from host.builtin_nodes.sampling.schedulers import polyexponential

    _above_zero(sigma_max=sigma_max, sigma_min=sigma_min)
    return polyexponential(steps, sigma_min, sigma_max, rho)


@node(id="LaplaceScheduler", title="LaplaceScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def laplace_scheduler(
    steps: Steps = 20,
    sigma_max: Level = 14.614642,
    sigma_min: Level = 0.0291675,
    mu: Annotated[float, Range(-10.0, 10.0, 0.1, round=False)] = 0.0,
    beta: Annotated[float, Range(0.0, 10.0, 0.1, round=False)] = 0.5,
) -> Sigmas:
    """Levels gathered around a middle one, spread like a Laplace distribution (Hang et al. 2024).

    Args:
        steps: How many levels there are; the last one is above 0.
        sigma_max: The highest level.
        sigma_min: The lowest level.
        mu: Logarithm of the middle level.
        beta: How far the levels spread from it.
    """
    from host.builtin_nodes.sampling.schedulers import laplace

    return laplace(steps, sigma_min, sigma_max, mu, beta)


@node(id="VPScheduler", title="VPScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def vp_scheduler(
    steps: Steps = 20,
    beta_d: Level = 19.9,
    beta_min: Level = 0.1,
    eps_s: Annotated[float, Range(0.0, 1.0, 0.0001, round=False)] = 0.001,
) -> Sigmas:
    """Levels even in the time of the variance-preserving SDE (Song et al. 2021).

    Args:
        steps: How many steps there are.
        beta_d: How much the rate of noising grows from start to end.
        beta_min: The rate of noising at the start.
        eps_s: The time of the last level above 0.
    """
    from host.builtin_nodes.sampling.schedulers import variance_preserving

    return variance_preserving(steps, beta_d, beta_min, eps_s)


@node(id="BetaSamplingScheduler", title="BetaSamplingScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def beta_sampling_scheduler(model: Model, steps: Steps = 20, alpha: Shape = 0.6, beta: Shape = 0.6) -> Sigmas:
    """Levels at quantiles of a beta distribution (Lee et al. 2024). Equal ones are dropped, so there may be fewer.

    Args:
        model: The model whose levels are used.
        steps: How many steps there are.
        alpha: The distribution's first number; below 1 there are more steps at the start.
        beta: The distribution's second number; below 1 there are more steps at the end.
    """
    from host.builtin_nodes.families.sampled_model import parametrisation_of
    from host.builtin_nodes.sampling.schedulers import beta_schedule

    _above_zero(alpha=alpha, beta=beta)
    return beta_schedule(parametrisation_of(model), steps, alpha, beta)


@node(id="SDTurboScheduler", title="SDTurboScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def sd_turbo_scheduler(
    model: Model, steps: Annotated[int, Range(1, 10)] = 1, denoise: Annotated[float, Range(0, 1.0, 0.01)] = 1.0
) -> Sigmas:
    """Levels for turbo models, which were distilled for ten steps (Sauer et al. 2023).

    Args:
        model: The model whose levels are used.
        steps: How many of the ten steps are done.
        denoise: Share of the noise that is removed.
    """
    from host.builtin_nodes.families.sampled_model import parametrisation_of
    from host.builtin_nodes.sampling.schedulers import turbo

    return turbo(parametrisation_of(model), steps, denoise)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make the noise levels of a run."""
    return [
        basic_scheduler,
        karras_scheduler,
        exponential_scheduler,
        polyexponential_scheduler,
        laplace_scheduler,
        vp_scheduler,
        beta_sampling_scheduler,
        sd_turbo_scheduler,
    ]


def _above_zero(**values: float) -> None:
    """Refuse a 0 where the formula divides by it or takes its logarithm, though the input's range begins there."""
    if zeros := [name for name, value in values.items() if value <= 0]:
        raise NodeError(f"There is no such schedule with {' and '.join(zeros)} at 0: give more than 0.")
