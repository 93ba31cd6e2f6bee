"""Nodes that change the noise levels of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Model, NodeError, NodeType, Range, Sigmas, hookimpl, node

CATEGORY = "sampling/custom_sampling/sigmas"
Share = Annotated[float, Range(0.0, 1.0, 0.01)]


@node(
    id="SplitSigmas",
    title="SplitSigmas",
    category=CATEGORY,
    names=("high_sigmas", "low_sigmas"),
    output_tooltips=("The levels up to the step.", "The levels from the step on."),
)
def split_sigmas(sigmas: Sigmas, step: Annotated[int, Range(0, 10_000)] = 0) -> tuple[Sigmas, Sigmas]:
    """Cut a run in two at a step, so that different models or settings can do the parts.

    Args:
        sigmas: The levels of the whole run.
        step: The step before which to cut, counted from 0.
    """
    from host.builtin_nodes.custom_sampling.sigmas import split_at

    return split_at(sigmas, step)


@node(
    id="SplitSigmasDenoise",
    title="SplitSigmasDenoise",
    category=CATEGORY,
    names=("high_sigmas", "low_sigmas"),
    output_tooltips=("The levels before the share.", "The levels of the share."),
)
def split_sigmas_denoise(sigmas: Sigmas, denoise: Share = 1.0) -> tuple[Sigmas, Sigmas]:
    """Cut a run in two where the given share of its steps is left.

    Args:
        sigmas: The levels of the whole run.
        denoise: Share of the steps that goes into the second part.
    """
    from host.builtin_nodes.custom_sampling.sigmas import split_share

    return split_share(sigmas, denoise)


@node(id="FlipSigmas", title="FlipSigmas", category=CATEGORY, output_tooltips=("The levels, rising.",))
def flip_sigmas(sigmas: Sigmas) -> Sigmas:
    """Turn a run around, to find the noise an image could have come from.

    Args:
        sigmas: The levels; a last level of 0 becomes 0.0001, since a run can't start at 0.
    """
    from host.builtin_nodes.custom_sampling.sigmas import flipped

    return flipped(sigmas)


@node(id="SetFirstSigma", title="SetFirstSigma", category=CATEGORY, output_tooltips=("The changed levels.",))
def set_first_sigma(
    sigmas: Sigmas, sigma: Annotated[float, Range(0.0, 20_000.0, 0.001, round=False)] = 136.0
) -> Sigmas:
    """Replace the first level of a run.

    Args:
        sigmas: The levels.
        sigma: The new first level.
    """
    from host.builtin_nodes.custom_sampling.sigmas import with_first

    if len(sigmas) == 0:
        raise NodeError("There is no first level to replace: the list of levels is empty. Give it at least one step.")
    return with_first(sigmas, sigma)


@node(
    id="ExtendIntermediateSigmas",
    title="ExtendIntermediateSigmas",
    category=CATEGORY,
    output_tooltips=("The levels with further ones between them.",),
)
def extend_intermediate_sigmas(
    *,
    sigmas: Sigmas,
    steps: Annotated[int, Range(1, 100)] = 2,
    start_at_sigma: Annotated[float, Range(-1.0, 20_000.0, 0.01, round=False)] = -1.0,
    end_at_sigma: Annotated[float, Range(0.0, 20_000.0, 0.01, round=False)] = 12.0,
    spacing: Literal["linear", "cosine", "sine"],
) -> Sigmas:
    """Divide some steps of a run into smaller ones.

    Args:
        sigmas: The levels.
        steps: Into how many steps each chosen step is divided.
        start_at_sigma: Steps from higher levels than this stay as they are; a negative number sets no limit.
        end_at_sigma: Steps from lower levels than this stay as they are.
        spacing: How the new levels lie between their neighbours: evenly, closer to the lower (cosine), or closer to the
            higher one (sine).
    """
    from host.builtin_nodes.custom_sampling.sigmas import refined

    highest = math.inf if start_at_sigma < 0 else start_at_sigma
    return refined(sigmas, steps, highest, end_at_sigma, spacing)


@node(
    id="SamplingPercentToSigma",
    title="SamplingPercentToSigma",
    category=CATEGORY,
    names=("sigma_value",),
    output_tooltips=("The noise level.",),
)
def sampling_percent_to_sigma(
    model: Model,
    sampling_percent: Annotated[float, Range(0.0, 1.0, 0.0001)] = 0.0,
    return_actual_sigma: bool = False,
) -> float:
    """Find the noise level at which a share of the run is done.

    Args:
        model: The model whose levels are meant.
        sampling_percent: The share that is done, from 0 (start) to 1 (end).
        return_actual_sigma: Give the model's highest and lowest level for start and end, instead of numbers that lie
            beyond every level and stand for "before" and "after everything".
    """
    from host.builtin_nodes.families.sampled_model import parametrisation_of

    parametrisation = parametrisation_of(model)
    if return_actual_sigma:
        return parametrisation.sigma_at(sampling_percent)
    return parametrisation.percent_to_sigma(sampling_percent)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that change the noise levels of a run."""
    return [
        split_sigmas,
        split_sigmas_denoise,
        flip_sigmas,
        set_first_sigma,
        extend_intermediate_sigmas,
        sampling_percent_to_sigma,
    ]
