"""Nodes that make noise levels found for one kind of model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Latent, NodeContext, NodeType, Range, Sigmas, TypedCombo, hookimpl, node

CATEGORY = "sampling/custom_sampling/schedulers"
TOOLTIPS = ("The noise levels, one more than there are steps.",)
Share = Annotated[float, Range(0.0, 1.0, 0.01)]
Shift = Annotated[float, Range(0.0, 100.0, 0.01)]


@node(id="AlignYourStepsScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def align_your_steps_scheduler(
    *,
    model_type: Annotated[Literal["SD1", "SDXL", "SVD"], TypedCombo(multiselect=False)],
    steps: Annotated[int, Range(1, 10_000)] = 10,
    denoise: Share = 1.0,
) -> Sigmas:
    """Levels optimised for few steps (Sabour et al. 2024, "Align Your Steps").

    Args:
        model_type: The kind of model they were optimised for.
        steps: How many steps there are; best at 10.
        denoise: Share of the steps that is done, from their end.
    """
    from host.builtin_nodes.sampling.step_tables import align_your_steps

    return align_your_steps(model_type, steps, denoise)


@node(id="OptimalStepsScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def optimal_steps_scheduler(
    *,
    model_type: Annotated[Literal["FLUX", "Wan", "Chroma"], TypedCombo(multiselect=False)],
    steps: Annotated[int, Range(3, 1000)] = 20,
    denoise: Share = 1.0,
) -> Sigmas:
    """Levels distilled from runs with many steps (Pei et al. 2025, "Optimal Stepsize for Diffusion Sampling").

    Args:
        model_type: The kind of model they were found for.
        steps: How many steps there are.
        denoise: Share of the steps that is done, from their end.
    """
    from host.builtin_nodes.sampling.step_tables import optimal_steps

    return optimal_steps(model_type, steps, denoise)


@node(id="GITSScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def gits_scheduler(
    coeff: Annotated[float, Range(0.8, 1.5, 0.05)] = 1.2,
    steps: Annotated[int, Range(2, 1000)] = 10,
    denoise: Share = 1.0,
    *,
    context: NodeContext,
) -> Sigmas:
    """Levels along the usual shape of Stable Diffusion 1's trajectories (Chen et al. 2024).

    The published levels are known for coefficients 0.8, 1.2 and 1.5 with 2, 5, 10, 20 or more steps, and for 0.85 with
    20 or more. All others are interpolated between these, and the node says so.

    Args:
        coeff: How much errors of later steps count; the higher, the more steps are at low levels.
        steps: How many steps there are.
        denoise: Share of the steps that is done, from their end.
    """
    from host.builtin_nodes.sampling.gits import gits, is_known

    if not is_known(coeff, steps):
        context.text(f"The levels for {steps} steps at coefficient {coeff:g} are interpolated from published ones.")
    return gits(coeff, steps, denoise)


@node(id="LTXVScheduler", category=CATEGORY, output_tooltips=TOOLTIPS)
def ltxv_scheduler(
    steps: Annotated[int, Range(1, 10_000)] = 20,
    max_shift: Shift = 2.05,
    base_shift: Shift = 0.95,
    stretch: bool = True,
    terminal: Annotated[float, Range(0.0, 0.99, 0.01)] = 0.1,
    latent: Latent | None = None,
) -> Sigmas:
    """Levels for LTX-Video, moved towards noise the more the larger the video is.

    Args:
        steps: How many steps there are.
        max_shift: How far the levels are moved at 4096 tokens.
        base_shift: How far the levels are moved at 1024 tokens.
        stretch: Stretch the levels so that the last one above 0 is the terminal one.
        terminal: The last level above 0.
        latent: The video to be sampled, which says how many tokens there are; without it 4096.
    """
    from host.builtin_nodes.sampling.schedulers import token_shifted

    tokens = 4096 if latent is None else math.prod(latent["samples"].shape[2:])
    return token_shifted(steps, tokens, base_shift, max_shift, terminal=terminal if stretch else None)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make noise levels found for one kind of model."""
    return [align_your_steps_scheduler, optimal_steps_scheduler, gits_scheduler, ltxv_scheduler]
