"""Nodes that choose a sampling algorithm and its settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Choice, NodeContext, NodeType, Range, Sampler, TypedCombo, hookimpl, node

CATEGORY = "sampling/custom_sampling/samplers"
TOOLTIPS = ("The sampling algorithm.",)
Amount = Annotated[float, Range(0.0, 100.0, 0.01, round=False)]


@node(id="KSamplerSelect", title="KSamplerSelect", category=CATEGORY, output_tooltips=TOOLTIPS)
def ksampler_select(sampler_name: Annotated[str, Choice(source="samplers")], context: NodeContext) -> Sampler:
    """Choose a sampling algorithm by name.

    Args:
        sampler_name: The algorithm of a step, with its usual settings.
    """
    from host.builtin_nodes.denoising import chosen

    return chosen("sampler", sampler_name, context.samplers)


@node(id="SamplerEulerAncestral", title="SamplerEulerAncestral", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_euler_ancestral(eta: Amount = 1.0, s_noise: Amount = 1.0) -> Sampler:
    """Euler steps that each take out too much noise and add fresh noise instead.

    Args:
        eta: How much noise is exchanged in a step; 0 is plain Euler.
        s_noise: Factor on the fresh noise.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("euler_ancestral", eta=eta, s_noise=s_noise)


@node(
    id="SamplerEulerAncestralCFGPP",
    title="SamplerEulerAncestralCFG++",
    category=CATEGORY,
    output_tooltips=TOOLTIPS,
)
def sampler_euler_ancestral_cfg_pp(
    eta: Annotated[float, Range(0.0, 1.0, 0.01, round=False)] = 1.0,
    s_noise: Annotated[float, Range(0.0, 10.0, 0.01, round=False)] = 1.0,
) -> Sampler:
    """Ancestral Euler steps with CFG++, which wants a cfg of about 1 or less (Chung et al. 2024).

    Args:
        eta: How much noise is exchanged in a step.
        s_noise: Factor on the fresh noise.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("euler_ancestral_cfg_pp", eta=eta, s_noise=s_noise)


@node(
    id="SamplerEulerCFGpp",
    title="SamplerEulerCFG++",
    category="_for_testing",
    experimental=True,
    output_tooltips=TOOLTIPS,
)
def sampler_euler_cfg_pp(
    version: Annotated[Literal["regular", "alternative"], TypedCombo(multiselect=False)],
) -> Sampler:
    """Euler steps with CFG++, which wants a cfg of about 1 or less (Chung et al. 2024).

    Args:
        version: Regular is the paper's; alternative bends the direction of a step instead of its start.
    """
    from host.builtin_nodes.custom_sampling.algorithms import euler_cfg_pp_alternative, with_settings

    return with_settings("euler_cfg_pp") if version == "regular" else euler_cfg_pp_alternative()


@node(id="SamplerLMS", title="SamplerLMS", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_lms(order: Annotated[int, Range(1, 100)] = 4) -> Sampler:
    """Linear multistep: each step uses the directions of the steps before it.

    Args:
        order: How many directions are used.
    """
    from host.builtin_nodes.custom_sampling.algorithms import with_settings

    return with_settings("lms", order=order)


@node(id="SamplerLCMUpscale", category=CATEGORY, output_tooltips=TOOLTIPS)
def sampler_lcm_upscale(
    *,
    scale_ratio: Annotated[float, Range(0.1, 20.0, 0.01)] = 1.0,
    scale_steps: Annotated[int, Range(-1, 1000, 1)] = -1,
    upscale_method: Annotated[
        Literal["bislerp", "nearest-exact", "bilinear", "area", "bicubic"], TypedCombo(multiselect=False)
    ],
) -> Sampler:
    """Sampling for consistency models in which the latent grows from step to step.

    Args:
        scale_ratio: How much longer each side is in the end.
        scale_steps: In how many steps it grows; -1 for half of the steps.
        upscale_method: How new cells come from old ones.
    """
    from host.builtin_nodes.custom_sampling.algorithms import lcm_upscale

    return lcm_upscale(scale_ratio, None if scale_steps < 0 else scale_steps, upscale_method)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that choose a sampling algorithm and its settings."""
    return [
        ksampler_select,
        sampler_euler_ancestral,
        sampler_euler_ancestral_cfg_pp,
        sampler_euler_cfg_pp,
        sampler_lms,
        sampler_lcm_upscale,
    ]
