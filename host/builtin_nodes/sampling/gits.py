"""Schedules along a sampling trajectory of regular shape (Chen et al. 2024, "On the Trajectory Regularity of ODE-based
Diffusion Sampling"), for Stable Diffusion 1.

The levels come from a dynamic programme over trajectories of the model; a coefficient says how much errors of later
steps count. What is known of its results stands here; the rest is interpolated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from host.builtin_nodes.sampling.step_tables import last_share, resampled

_LAST = 0.02916753
_LONGEST = 20

# By coefficient and number of steps; the last level is the same in all.
_LEVELS: Mapping[float, Mapping[int, tuple[float, ...]]] = {
    0.8: {
        2: (14.6146412, 7.49001646),
        5: (14.6146412, 11.5454187, 7.49001646, 5.85520077, 2.05039096),
        10: (14.6146412, 13.760788, 12.9678488, 12.2308979, 10.90732, 8.75849152, 7.49001646, 5.85520077,
            3.07277966, 1.56271636),
        20: (14.6146412, 13.760788, 12.9678488, 12.2308979, 11.5454187, 10.90732, 10.312849, 9.75859547, 9.24142551,
            8.75849152, 8.30717278, 7.88507891, 7.49001646, 6.77309084, 5.85520077, 4.86714602, 3.75677586, 2.84484982,
            1.78698075, 0.803307),
    },
    0.85: {
        20: (14.6146412, 13.760788, 12.9678488, 12.2308979, 11.5454187, 10.90732, 10.312849, 9.75859547, 9.24142551,
            8.75849152, 8.30717278, 7.88507891, 7.49001646, 6.77309084, 5.85520077, 4.65472794, 3.46139455, 2.45070267,
            1.56271636, 0.72133851),
    },
    1.2: {
        2: (14.6146412, 0.803307),
        5: (14.6146412, 2.84484982, 1.24153244, 0.59516323, 0.25053367),
        10: (14.6146412, 5.85520077, 2.84484982, 1.67050016, 1.08895338, 0.74807048, 0.50118381, 0.32104823,
            0.19894916, 0.09824532),
        20: (14.6146412, 7.49001646, 4.65472794, 3.07277966, 2.19988537, 1.61558151, 1.24153244, 0.95350921,
            0.74807048, 0.59516323, 0.50118381, 0.41087446, 0.34370604, 0.29807833, 0.25053367, 0.22545385, 0.19894916,
            0.17026083, 0.13792117, 0.09824532),
    },
    1.5: {
        2: (14.6146412, 0.54755926),
        5: (14.6146412, 1.24153244, 0.54755926, 0.25053367, 0.09824532),
        10: (14.6146412, 1.84880662, 0.95350921, 0.59516323, 0.41087446, 0.29807833, 0.22545385, 0.17026083,
            0.13792117, 0.09824532),
        20: (14.6146412, 2.45070267, 1.41535246, 0.95350921, 0.72133851, 0.57119018, 0.4783645, 0.43325692,
            0.38853383, 0.36617002, 0.34370604, 0.32104823, 0.29807833, 0.27464288, 0.25053367, 0.22545385, 0.19894916,
            0.17026083, 0.13792117, 0.09824532),
    },
}  # fmt: skip


def gits(coeff: float, steps: int, denoise: float = 1.0) -> Tensor:
    """Falling float32 levels that end with 0, for a coefficient of 0.8 to 1.5; [steps + 1] or the last part of them.

    See ``is_known`` for which of them are the programme's own. Others are interpolated in log-sigma, between the
    neighbouring coefficients and numbers of steps that are known.
    """
    known = sorted(_suitable(steps))
    low, high, share = _between(known, round(coeff, 2))
    return last_share(_mixed(_row(_LEVELS[low], steps), _row(_LEVELS[high], steps), share), denoise)


def is_known(coeff: float, steps: int) -> bool:
    """Whether the levels are the programme's own; those of more than 20 steps are always spread along those of 20."""
    return min(steps, _LONGEST) in _LEVELS.get(round(coeff, 2), ())


def _suitable(steps: int) -> list[float]:
    return [coeff for coeff, rows in _LEVELS.items() if steps >= _LONGEST or min(rows) < _LONGEST]


def _row(rows: Mapping[int, Sequence[float]], steps: int) -> Tensor:
    shorter, longer, share = _between(sorted(rows), min(steps, _LONGEST))
    ends = [resampled([*rows[length], _LAST], steps) for length in (shorter, longer)]
    return _mixed(*ends, share)


def _between(known: Sequence[float], wanted: float) -> tuple[float, float, float]:
    """The neighbours of a number among rising ones, and how far between them it is (0..1)."""
    after = min(bisect_left(known, wanted), len(known) - 1)
    if known[after] == wanted or after == 0:
        return known[after], known[after], 0.0
    low, high = known[after - 1], known[after]
    return low, high, min((wanted - low) / (high - low), 1.0)


def _mixed(first: Tensor, second: Tensor, share: float) -> Tensor:
    return torch.lerp(first.log(), second.log(), share).exp()
