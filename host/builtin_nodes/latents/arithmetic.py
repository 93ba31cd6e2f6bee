"""Nodes that compute with the values of latents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Latent, NodeType, Range, hookimpl, node


@node(id="LatentAdd", category="latent/advanced", output_tooltips=("The sum.",))
def latent_add(samples1: Latent, samples2: Latent) -> Latent:
    """The sum of two latents.

    Args:
        samples1: The first latent; it decides size and number.
        samples2: The second latent, resized and repeated to fit.
    """
    from host.builtin_nodes.latents.scaling import fitted

    first = samples1["samples"]
    return {**samples1, "samples": first + fitted(samples2["samples"], first)}


@node(id="LatentSubtract", category="latent/advanced", output_tooltips=("The difference.",))
def latent_subtract(samples1: Latent, samples2: Latent) -> Latent:
    """The difference of two latents.

    Args:
        samples1: The latent to take from; it decides size and number.
        samples2: The latent to take away, resized and repeated to fit.
    """
    from host.builtin_nodes.latents.scaling import fitted

    first = samples1["samples"]
    return {**samples1, "samples": first - fitted(samples2["samples"], first)}


@node(id="LatentMultiply", category="latent/advanced", output_tooltips=("The product.",))
def latent_multiply(samples: Latent, multiplier: Annotated[float, Range(-10.0, 10.0, 0.01)] = 1.0) -> Latent:
    """A latent times a number.

    Args:
        samples: The latent.
        multiplier: The number.
    """
    return {**samples, "samples": samples["samples"] * multiplier}


@node(id="LatentBlend", title="Latent Blend", category="_for_testing", output_tooltips=("The mixture.",))
def latent_blend(samples1: Latent, samples2: Latent, blend_factor: Annotated[float, Range(0, 1, 0.01)] = 0.5) -> Latent:
    """A weighted mean of two latents.

    Args:
        samples1: The first latent; it decides the size.
        samples2: The second latent, resized to fit. Of two batches, one may be a single latent.
        blend_factor: Share of the first latent.
    """
    from host.builtin_nodes.latents.scaling import resized_like

    first = samples1["samples"]
    second = resized_like(samples2["samples"], first, "bicubic")
    return {**samples1, "samples": first * blend_factor + second * (1 - blend_factor)}


@node(id="LatentInterpolate", category="latent/advanced", output_tooltips=("The latent between.",))
def latent_interpolate(
    samples1: Latent, samples2: Latent, ratio: Annotated[float, Range(0.0, 1.0, 0.01)] = 1.0
) -> Latent:
    """A latent between two others; the directions of their cells and the lengths of them are mixed separately.

    Args:
        samples1: The first latent; it decides size and number.
        samples2: The second latent, resized and repeated to fit.
        ratio: Share of the first latent.
    """
    from host.builtin_nodes.latents.scaling import directions_and_lengths_mixed, fitted

    first = samples1["samples"]
    mixed = directions_and_lengths_mixed(first, fitted(samples2["samples"], first), ratio)
    return {**samples1, "samples": mixed}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that compute with latents."""
    return [latent_add, latent_subtract, latent_multiply, latent_blend, latent_interpolate]
