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


def test_each_frame_of_a_video_has_its_mask() -> None:
    first_kept = torch.tensor([0.0, 1.0, 1.0])
    expected = first_kept.reshape(1, 1, 3, 1, 1).expand(2, 4, 3, 4, 4)
    frames = first_kept.reshape(3, 1, 1).expand(3, 32, 32)
    for given in (frames, frames[:, None], frames[None, None], frames[None, None, :, :1, :1].expand(2, 1, 3, 1, 1)):
        assert torch.equal(fit_mask(given, torch.zeros(2, 4, 3, 4, 4)), expected)


def test_masks_of_a_video_stretch_over_its_frames() -> None:
    frames = torch.tensor([0.0, 1.0]).reshape(2, 1, 1).expand(2, 8, 8)
    assert fit_mask(frames, torch.zeros(1, 4, 4, 2, 2))[0, 0, :, 0, 0].tolist() == [0.0, 0.25, 0.75, 1.0]


def test_each_video_of_a_batch_can_have_its_own_mask() -> None:
    masks = torch.stack([torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)])
    fitted = fit_mask(masks, torch.zeros(3, 4, 3, 4, 4))
    assert fitted.amax(dim=(1, 2, 3, 4)).tolist() == fitted.amin(dim=(1, 2, 3, 4)).tolist() == [0.0, 1.0, 0.0]


def test_masks_of_sounds_go_along_them() -> None:
    fitted = fit_mask(torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), torch.zeros(2, 3, 2))
    assert torch.equal(fitted, torch.tensor([0.0, 1.0]).expand(2, 3, 2))


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
