"""The sampler nodes that get noise, guidance, algorithm and levels from other nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import (
    Conditioning,
    Guider,
    Latent,
    Model,
    NodeContext,
    NodeType,
    Noise,
    Range,
    Sampler,
    Seed,
    Sigmas,
    hookimpl,
    node,
)

CATEGORY = "sampling/custom_sampling"
OUTPUTS = ("output", "denoised_output")
TOOLTIPS = (
    "The latent after the last step, with the noise of the last level if that is above 0.",
    "The clean latent as the last step estimated it.",
)


@node(id="SamplerCustom", title="SamplerCustom", category=CATEGORY, names=OUTPUTS, output_tooltips=TOOLTIPS)
def sampler_custom(
    *,
    model: Model,
    add_noise: bool = True,
    noise_seed: Annotated[int, Seed()] = 0,
    cfg: Annotated[float, Range(0.0, 100.0, 0.1, round=0.01)] = 8.0,
    positive: Conditioning,
    negative: Conditioning,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
    context: NodeContext,
) -> tuple[Latent, Latent]:
    """Sample with an algorithm and noise levels from other nodes.

    Args:
        model: The network that removes the noise.
        add_noise: Switch it off for a latent that is noisy already, from an earlier part of the run.
        noise_seed: Number from which the noise is drawn; the same seed gives the same noise.
        cfg: How strictly the prompts are followed.
        positive: What the image should show.
        negative: What the image should not show.
        sampler: The algorithm of a step.
        sigmas: The noise levels of the run.
        latent_image: The latent to start from.
    """
    from host.builtin_nodes.custom_sampling.guiders import CfgGuider
    from host.builtin_nodes.custom_sampling.noise import NoNoise, SeededNoise
    from host.builtin_nodes.denoising import sample_guided

    return sample_guided(
        context,
        CfgGuider(model, positive, negative, cfg),
        sampler=sampler,
        sigmas=sigmas,
        noise=SeededNoise(noise_seed) if add_noise else NoNoise(noise_seed),
        latent=latent_image,
    )


@node(
    id="SamplerCustomAdvanced",
    title="SamplerCustomAdvanced",
    category=CATEGORY,
    names=OUTPUTS,
    output_tooltips=TOOLTIPS,
)
def sampler_custom_advanced(
    *, noise: Noise, guider: Guider, sampler: Sampler, sigmas: Sigmas, latent_image: Latent, context: NodeContext
) -> tuple[Latent, Latent]:
    """Sample with everything from other nodes: noise, guided model, algorithm and noise levels.

    Args:
        noise: The noise the latent gets at the start.
        guider: The model with its prompts and its guidance.
        sampler: The algorithm of a step.
        sigmas: The noise levels of the run.
        latent_image: The latent to start from.
    """
    from host.builtin_nodes.denoising import sample_guided

    return sample_guided(context, guider, sampler=sampler, sigmas=sigmas, noise=noise, latent=latent_image)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The sampler nodes that get everything from other nodes."""
    return [sampler_custom, sampler_custom_advanced]
