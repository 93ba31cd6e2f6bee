"""The sampler nodes in which everything is one node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Choice, Conditioning, Latent, Model, NodeContext, NodeType, Range, Seed, hookimpl, node

Steps = Annotated[int, Range(1, 10_000)]
Cfg = Annotated[float, Range(0.0, 100.0, 0.1, round=0.01)]
SamplerName = Annotated[str, Choice(source="samplers")]
SchedulerName = Annotated[str, Choice(source="schedulers")]
Step = Annotated[int, Range(0, 10_000)]


@node(id="KSampler", category="sampling", title="KSampler", output_tooltips=("The latent with its noise removed.",))
def ksampler(
    *,
    model: Model,
    seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Annotated[float, Range(0.0, 1.0, 0.01)] = 1.0,
    context: NodeContext,
) -> Latent:
    """Make a latent image: add noise to a latent and remove it step by step, as the prompts say.

    Args:
        model: The network that removes the noise.
        seed: Number from which the noise is drawn; the same seed gives the same noise.
        steps: How many steps the noise is removed in. More steps take longer and look better up to a point.
        cfg: How strictly the prompts are followed. Lower values leave more freedom, high ones look overdone.
        sampler_name: The algorithm of a step.
        scheduler: How the amount of noise falls from step to step.
        positive: What the image should show.
        negative: What the image should not show.
        latent_image: The latent to start from: an empty one, or an encoded image.
        denoise: Share of the noise that is added; below 1 the image stays close to the one started from.
    """
    from host.builtin_nodes.denoising import Run, sample_latent

    run = Run(seed=seed, steps=steps, cfg=cfg, sampler=sampler_name, scheduler=scheduler, denoise=denoise)
    return sample_latent(context, model, run, positive, negative, latent_image)


@node(
    id="KSamplerAdvanced",
    category="sampling",
    title="KSampler (Advanced)",
    output_tooltips=("The latent after the last step that was run.",),
)
def ksampler_advanced(
    *,
    model: Model,
    add_noise: Literal["enable", "disable"],
    noise_seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Step = 0,
    end_at_step: Step = 10_000,
    return_with_leftover_noise: Literal["disable", "enable"],
    context: NodeContext,
) -> Latent:
    """Run a part of the steps of a KSampler, so that several models or settings can share one run.

    Args:
        model: The network that removes the noise.
        add_noise: Disable it for a latent that is noisy already, from an earlier part of the run.
        noise_seed: Number from which the noise is drawn; the same seed gives the same noise.
        steps: How many steps the whole run has.
        cfg: How strictly the prompts are followed. Lower values leave more freedom, high ones look overdone.
        sampler_name: The algorithm of a step.
        scheduler: How the amount of noise falls from step to step.
        positive: What the image should show.
        negative: What the image should not show.
        latent_image: The latent to start from.
        start_at_step: First step to run, counted from 0.
        end_at_step: Step before which to stop; beyond the last step, the run goes to its end.
        return_with_leftover_noise: Enable it where another sampler goes on; otherwise the last step removes all noise.
    """
    from host.builtin_nodes.denoising import Run, sample_latent

    run = Run(
        seed=noise_seed,
        steps=steps,
        cfg=cfg,
        sampler=sampler_name,
        scheduler=scheduler,
        start_at=start_at_step,
        end_at=end_at_step,
        add_noise=add_noise == "enable",
        leftover_noise=return_with_leftover_noise == "enable",
    )
    return sample_latent(context, model, run, positive, negative, latent_image)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Sampler nodes."""
    return [ksampler, ksampler_advanced]
