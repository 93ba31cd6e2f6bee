from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.families.sd1.adapters import denoiser


@pytest.mark.parametrize(("prediction", "at_highest"), [("eps", 0.0), ("v", 1.0)])
def test_prediction_decides_how_the_output_is_read(prediction: str, at_highest: float) -> None:
    parametrisation = denoiser(4, prediction, zero_snr=False).parametrisation
    x, sigma = torch.full((1, 4, 2, 2), 2.0), torch.tensor(1.0)
    found = parametrisation.denoised(sigma, torch.zeros_like(x), x)
    torch.testing.assert_close(found, x - x / 2 * at_highest)


def test_zero_terminal_snr_changes_the_highest_level() -> None:
    plain, rescaled = (denoiser(4, "v", zero_snr=zero).parametrisation.sigma_max for zero in (False, True))
    assert plain == pytest.approx(14.6146, abs=1e-3)
    assert rescaled > 1000
