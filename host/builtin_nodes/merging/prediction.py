"""What a saved model's file says of its prediction and noise levels, which nodes may have changed since it was loaded.

The marks are the tensors by which loaders know such files: ``v_pred``, ``ztsnr`` and ``edm_vpred.sigma_…``.
"""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.families.prediction_marks import V_PREDICTION_KEY, ZERO_SNR_KEY
from host.builtin_nodes.families.sampled_model import PARAMETRISATION, parametrisation_of
from host.builtin_nodes.families.sdxl.detection import EDM_MARKS, SIGMA_MARKS
from host.builtin_nodes.merging.tensor_files import Entry, entry_of
from host.builtin_nodes.sampling.noise_levels import (
    ContinuousLevels,
    DiscreteLevels,
    scaled_linear_sigmas,
    zero_terminal_snr,
)
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from sdk import ModelHandle, StoredPart

MARKS = frozenset({V_PREDICTION_KEY, ZERO_SNR_KEY, *EDM_MARKS, *SIGMA_MARKS})
"""Tensors beside a network that say how it is to be sampled."""

_CONTINUOUS = "sdxl"
"""The family whose files can say the bounds of continuous levels."""

_KINDS: Mapping[type, str] = {Epsilon: "eps", Velocity: "v"}
_LOST = (
    "How the model is sampled was changed by a node in a way that a file can't say. The weights are saved; "
    "apply the node again to the loaded file."
)


@dataclass(frozen=True)
class Statement:
    """What goes into the file.

    Attributes:
        prediction: ``eps`` or ``v``; None for others.
        marks: tensors.
        facts: for the metadata, beside those of the file that the model came from.
        lost: what to tell the user of what the file can't say; None where it says everything.
    """

    prediction: str | None
    marks: Mapping[str, Entry]
    facts: Mapping[str, Any] = field(default_factory=dict)
    lost: str | None = None


def statement(model: ModelHandle, stored: StoredPart) -> Statement:
    """What a file says of a denoiser's prediction and levels, as its handle has them."""
    kept = {key: entry_of(stored.loose[key]) for key in stored.loose if key in MARKS}
    changed, levels = PARAMETRISATION in model.options, parametrisation_of(model)
    prediction = _KINDS.get(type(levels.prediction))
    marks = _marks(levels, model.identity.family) if isinstance(model.adapter, UnetDenoiser) else None
    # Latents of files with these marks are scaled by them, too.
    if marks is None or not kept.keys().isdisjoint(EDM_MARKS):
        return Statement(None if changed else prediction, kept, lost=_LOST if changed else None)
    told = changed or model.identity.config["prediction"] != prediction
    own = {key: entry for key, entry in kept.items() if key in marks and not changed}
    return Statement(prediction, {**marks, **own}, {"prediction": prediction} if told else {})


def _marks(parametrisation: Parametrisation, family: str) -> dict[str, Entry] | None:
    """The marks of a prediction with its levels; None where there are none for them."""
    kind, levels = _KINDS.get(type(parametrisation.prediction)), parametrisation.levels
    if kind == "v" and isinstance(levels, ContinuousLevels) and family == _CONTINUOUS:
        bounds = levels.lowest, levels.highest
        return {mark: entry_of(torch.tensor(bound)) for mark, bound in zip(SIGMA_MARKS, bounds, strict=True)}
    plain = scaled_linear_sigmas()
    tables = {(): plain, (ZERO_SNR_KEY,): zero_terminal_snr(plain)}
    known = (marks for marks, table in tables.items() if torch.equal(table.float(), parametrisation.sigmas))
    extra = next(known, None) if isinstance(levels, DiscreteLevels) else None
    if kind is None or extra is None:
        return None
    marks = (*((V_PREDICTION_KEY,) if kind == "v" else ()), *extra)
    return {mark: entry_of(torch.zeros(0)) for mark in marks}
