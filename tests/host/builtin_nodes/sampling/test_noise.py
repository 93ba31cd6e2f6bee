from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.sampling import noise as noises

SHAPE = (2, 4, 8, 8)
LIKE = torch.zeros(SHAPE)


def test_an_element_of_a_batch_can_be_drawn_alone() -> None:
    batch = noises.start_noise((3, 4, 8, 8), noises.generator(7), [0, 1, 2])
    assert torch.equal(noises.start_noise((1, 4, 8, 8), noises.generator(7), [2])[0], batch[2])
    assert torch.equal(noises.start_noise((2, 4, 8, 8), noises.generator(7), [2, 0]), batch[[2, 0]])


@pytest.mark.parametrize("seed", [0, 2**64 - 1, 2**63])
def test_every_seed_of_64_bits_is_a_stream_of_its_own(seed: int) -> None:
    here = noises.start_noise(SHAPE, noises.generator(seed))
    assert not torch.equal(here, noises.start_noise(SHAPE, noises.generator(seed + 1)))


def test_drawing_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    noises.start_noise(SHAPE, noises.generator(1))
    noises.step_noise(LIKE, 1)(2.0, 1.0)
    noises.BrownianNoise(LIKE, 1, 0.1, 10.0)(10.0, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_continued_noise_goes_on_where_the_start_noise_ended() -> None:
    source = noises.generator(3)
    noises.start_noise(SHAPE, source)
    assert torch.equal(noises.continued_noise(LIKE, 3)(2.0, 1.0), torch.randn(SHAPE, generator=source))


def test_continued_noise_goes_on_after_elements_that_were_drawn_alone() -> None:
    source = noises.generator(3)
    noises.start_noise(SHAPE, source, [4, 1])
    assert torch.equal(noises.continued_noise(LIKE, 3, [4, 1])(2.0, 1.0), torch.randn(SHAPE, generator=source))


@pytest.mark.parametrize("make", [noises.step_noise, noises.continued_noise])
def test_a_stream_knows_its_seed(make: Callable[[torch.Tensor, int], noises.GaussianNoise]) -> None:
    stream = make(LIKE, 2**63 + 5)
    stream(1.0, 0.5)
    assert stream.seed == 2**63 + 5


def test_the_noise_of_a_kept_area_is_not_the_start_noise() -> None:
    assert torch.equal(noises.mask_noise(LIKE, 3), noises.start_noise(SHAPE, noises.generator(4)))


@given(middle=st.floats(1.1, 9.9))
def test_brownian_increments_add_up_whatever_lies_between(middle: float) -> None:
    path = noises.BrownianNoise(LIKE, 5, 0.1, 10.0)
    whole = path(10.0, 1.0) * 3
    parts = path(10.0, middle) * (10 - middle) ** 0.5 + path(middle, 1.0) * (middle - 1) ** 0.5
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=0)


def test_brownian_noise_changes_sign_with_the_direction() -> None:
    path = noises.BrownianNoise(LIKE, 5, 0.1, 10.0)
    assert torch.equal(path(10.0, 1.0), -path(1.0, 10.0))


def test_brownian_noise_has_unit_variance() -> None:
    drawn = noises.BrownianNoise(torch.zeros(64, 64), 5, 0.1, 10.0)(4.0, 3.0)
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.05)


def test_levels_just_beyond_the_ends_of_the_path_count_as_the_ends() -> None:
    path = noises.BrownianNoise(LIKE, 5, 0.0291675, 14.6146421432)
    assert bool(path(14.6146421432, 0.0291674).isfinite().all())


def test_foreseen_brownian_noise_is_the_same_noise() -> None:
    ways = list(pairwise([10.0, 7.5, 4.0, 1.5, 0.1]))
    surprised, foresighted = (noises.BrownianNoise(LIKE, 5, 0.1, 10.0) for _ in range(2))
    foresighted.foresee(ways)
    for way in (*ways[:2], (6.0, 5.0), *ways[2:]):
        assert torch.equal(foresighted(*way), surprised(*way))
    foresighted.close()
