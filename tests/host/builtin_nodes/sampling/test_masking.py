from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.masking import MaskedDenoiser, fit_mask

LATENT = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


class Echo:
    """Answers what it sees."""

    parametrisation = kinds.discrete()

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize("shape", [(32, 32), (1, 32, 32), (1, 1, 32, 32), (2, 1, 32, 32), (5, 32, 32)])
def test_masks_of_any_size_and_count_fit_the_latent(shape: tuple[int, ...]) -> None:
    fitted = fit_mask(torch.ones(shape), LATENT)
    assert fitted.shape == LATENT.shape
    assert bool((fitted == 1).all())


def test_soft_edges_stay_soft() -> None:
    mask = torch.zeros(8, 8)
    mask[:, 3:] = 1
    assert fit_mask(mask, LATENT)[0, 0, 0].tolist() == [0.0, 0.5, 1.0, 1.0]


def test_masks_fit_video_latents() -> None:
    assert fit_mask(torch.ones(1, 32, 32), torch.zeros(2, 4, 3, 4, 4)).shape == (2, 4, 3, 4, 4)


def test_the_kept_area_is_answered_with_the_latent_and_shown_noised() -> None:
    mask, noise = torch.zeros_like(LATENT), torch.ones_like(LATENT)
    mask[..., 2:] = 1
    seen: list[Tensor] = []

    class Recorder(Echo):
        def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
            seen.append(x)
            return x

    x = torch.full_like(LATENT, 9.0)
    answer = MaskedDenoiser(Recorder(), mask, LATENT, noise)(x, 2.0)
    assert torch.equal(answer[..., :2], LATENT[..., :2])
    assert torch.equal(answer[..., 2:], x[..., 2:])
    torch.testing.assert_close(seen[0][..., :2], LATENT[..., :2] + 2)
    assert torch.equal(seen[0][..., 2:], x[..., 2:])


def test_the_negative_prediction_of_a_pair_is_left_as_it_is() -> None:
    mask = torch.zeros_like(LATENT)
    answer, negative = MaskedDenoiser(Echo(), mask, LATENT, torch.ones_like(LATENT)).pair(LATENT, torch.tensor(2.0))
    assert torch.equal(answer, LATENT)
    torch.testing.assert_close(negative, LATENT + 2)
