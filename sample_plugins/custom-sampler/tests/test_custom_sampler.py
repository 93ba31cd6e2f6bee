"""Samplers against a distribution whose paths are known, schedules by their definition."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch  # noqa: TID253 - samplers work on tensors
from custom_sampler.samplers import sample_adams_bashforth, sample_ralston
from custom_sampler.schedules import raised_cosine

from sdk.testing import load_pack

PACK = Path(__file__).parents[1]
SPREAD = 0.5
SAMPLERS = [sample_ralston, sample_adams_bashforth]


def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Exact for normally distributed data with standard deviation SPREAD."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def exact(x: torch.Tensor, start: float, end: float) -> torch.Tensor:
    """Where the path of such data leads: x keeps its number of standard deviations."""
    return x * math.sqrt((SPREAD**2 + end**2) / (SPREAD**2 + start**2))


def error(sampler, steps: int) -> float:
    sigmas = torch.linspace(4, 1, steps + 1, dtype=torch.float64)
    x = torch.full((1, 1, 1, 1), 4.0, dtype=torch.float64)
    return float((sampler(denoise, x, sigmas) - exact(x, 4, 1)).abs())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_half_the_step_gives_a_quarter_of_the_error(sampler) -> None:
    assert error(sampler, 40) / error(sampler, 80) == pytest.approx(4, rel=0.15)
    assert error(sampler, 80) < 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_to_zero_noise_ends_at_clean_data(sampler) -> None:
    x = 10 * torch.randn(4096, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    sampled = sampler(denoise, x, raised_cosine(0.02, 10.0, 40))
    assert float(sampled.std()) == pytest.approx(SPREAD, rel=0.05)
    assert torch.isfinite(sampled).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_step_is_reported_and_the_listener_may_end_the_run(sampler) -> None:
    sigmas, x = torch.tensor([3.0, 2.0, 1.0, 0.0]), torch.ones(1, 1, 2, 2)
    seen: list[tuple[int, float]] = []
    sampler(denoise, x, sigmas, callback=lambda step, x, sigma, denoised: seen.append((step, sigma)))
    assert seen == [(0, 3.0), (1, 2.0), (2, 1.0)]

    def stop(*report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler(denoise, x, sigmas, callback=stop)


@pytest.mark.parametrize(("sampler", "calls"), [(sample_ralston, 2 * 9 + 1), (sample_adams_bashforth, 10)])
def test_the_network_is_called_as_often_as_promised(sampler, calls: int) -> None:
    count = 0

    def counted(x: torch.Tensor, sigma: float) -> torch.Tensor:
        nonlocal count
        count += 1
        return denoise(x, sigma)

    sampler(counted, torch.ones(1, 1, 1, 1), raised_cosine(0.1, 10, 10))
    assert count == calls


def test_the_schedule_falls_from_the_highest_level_to_zero_with_small_steps_at_its_ends() -> None:
    sigmas = raised_cosine(0.03, 14.6, 21)
    assert sigmas.dtype == torch.float32
    assert sigmas[0] == pytest.approx(14.6)
    assert sigmas[-2] == pytest.approx(0.03)
    assert sigmas[-1] == 0
    jumps = -sigmas[:-1].log().diff()
    assert (jumps > 0).all()
    assert jumps[0] < jumps[10] > jumps[-1]
    assert float(sigmas[10]) == pytest.approx(math.sqrt(0.03 * 14.6), rel=1e-4)


@pytest.mark.parametrize("steps", [1, 2])
def test_schedules_may_be_short(steps: int) -> None:
    assert len(raised_cosine(0.1, 10, steps)) == steps + 1


def test_a_schedule_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        raised_cosine(0.1, 10, 0)


def test_the_hooks_offer_them_by_name() -> None:
    with load_pack(PACK) as pack:
        (samplers,), (schedulers,) = pack.call("register_samplers"), pack.call("register_schedulers")
        assert [record.name for record in samplers] == ["ralston", "adams_bashforth_2"]
        levels = SimpleNamespace(sigma_min=0.1, sigma_max=10.0)
        (schedule,) = schedulers
        sigmas = schedule.function(levels, 5)
        assert torch.equal(sigmas, raised_cosine(0.1, 10.0, 5))
        for record in samplers:
            assert record.function(denoise, torch.ones(1, 1, 1, 1), sigmas, noise=None).shape == (1, 1, 1, 1)
