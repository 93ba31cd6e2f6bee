"""Nodes that say where a run's noise comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Latent, Model, NodeType, Noise, Seed, Sigmas, hookimpl, node

CATEGORY = "sampling/custom_sampling/noise"


@node(id="RandomNoise", title="RandomNoise", category=CATEGORY, output_tooltips=("Noise for a sampler.",))
def random_noise(noise_seed: Annotated[int, Seed()] = 0) -> Noise:
    """Noise drawn from a seed.

    Args:
        noise_seed: The same number gives the same noise.
    """
    from host.builtin_nodes.custom_sampling.noise import SeededNoise

    return SeededNoise(noise_seed)


@node(id="DisableNoise", title="DisableNoise", category=CATEGORY, output_tooltips=("The absence of noise.",))
def disable_noise() -> Noise:
    """No noise: for latents that are noisy already, from an earlier part of a run."""
    from host.builtin_nodes.custom_sampling.noise import NoNoise

    return NoNoise()


@node(
    id="AddNoise",
    title="AddNoise",
    category="_for_testing/custom_sampling/noise",
    output_tooltips=("The noisy latent.",),
)
def add_noise(model: Model, noise: Noise, sigmas: Sigmas, latent_image: Latent) -> Latent:
    """Add noise to a latent as a sampler would at the start of a run.

    Args:
        model: The model whose way of adding noise is used.
        noise: The noise.
        sigmas: Levels of a run; the latent gets the noise that lies between the first and the last one.
        latent_image: The latent.
    """
    from host.builtin_nodes.custom_sampling.noising import noised

    return noised(model, noise, sigmas, latent_image)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that say where a run's noise comes from."""
    return [random_noise, disable_noise, add_noise]
