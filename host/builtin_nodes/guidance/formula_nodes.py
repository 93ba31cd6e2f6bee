"""Nodes that change how a model's positive and negative estimates become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.latents.operations import LatentOperation
from host.builtin_nodes.sampling.rules import with_guidance
from sdk import Conditioning, Model, NodeType, Range, hookimpl, node

_ADVANCED = "advanced/guidance"
_TESTING = "_for_testing"
_GUIDED = ("The model with this guidance.",)
_FrameCfg = Annotated[float, Range(0.0, 100.0, 0.5, round=0.01)]
_Gain = Annotated[float, Range(0, 10, 0.01)]


@node(id="CFGNorm", category=_ADVANCED, names=("patched_model",), output_tooltips=_GUIDED, experimental=True)
def cfg_norm(model: Model, strength: Annotated[float, Range(0.0, 100.0, 0.01)] = 1.0) -> Model:
    """Keep guidance from making any place of the latent stronger than the positive prompt alone would.

    Args:
        model: The model to guide.
        strength: Factor for the result.
    """
    from host.builtin_nodes.guidance.reweighting import CfgNorm

    return with_guidance(model, after=CfgNorm(strength))


@node(id="CFGZeroStar", category=_ADVANCED, names=("patched_model",), output_tooltips=_GUIDED)
def cfg_zero_star(model: Model) -> Model:
    """Scale the negative estimate so that it fits the positive one best before guiding (CFG-Zero*, for flow models).

    Args:
        model: The model to guide.
    """
    from host.builtin_nodes.guidance.reweighting import CfgZeroStar

    return with_guidance(model, after=CfgZeroStar())


@node(
    id="TCFG",
    title="Tangential Damping CFG",
    category=_ADVANCED,
    names=("patched_model",),
    output_tooltips=_GUIDED,
)
def tcfg(model: Model) -> Model:
    """Leave out of the negative estimate what does not lie along the direction both estimates share.

    Args:
        model: The model to guide.
    """
    from host.builtin_nodes.guidance.projection import TangentialDamping

    return with_guidance(model, before=TangentialDamping())


@node(
    id="APG",
    title="Adaptive Projected Guidance",
    category="sampling/custom_sampling",
    output_tooltips=_GUIDED,
)
def apg(
    model: Model,
    eta: Annotated[float, Range(-10.0, 10.0, 0.01)] = 1.0,
    norm_threshold: Annotated[float, Range(0.0, 50.0, 0.1)] = 5.0,
    momentum: Annotated[float, Range(-5.0, 1.0, 0.01)] = 0.0,
) -> Model:
    """Guide strongly without oversaturation: bound the guidance and weigh the part along the image separately.

    Args:
        model: The model to guide.
        eta: Weight of the part of the guidance that points along the positive estimate; that part saturates.
        norm_threshold: Longest guidance that is left as it is. 0 sets no bound.
        momentum: How much of earlier steps' guidance is added; negative values push on to new directions.
    """
    from host.builtin_nodes.guidance.projection import Apg

    return with_guidance(model, before=Apg(eta, norm_threshold, momentum))


@node(
    id="Mahiro",
    title="Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)",
    category=_TESTING,
    names=("patched_model",),
    output_tooltips=_GUIDED,
    experimental=True,
)
def mahiro(model: Model) -> Model:
    """Let guidance rely on the positive prompt's own direction, the more so the less both prompts agree.

    Args:
        model: The model to guide.
    """
    from host.builtin_nodes.guidance.reweighting import Mahiro

    return with_guidance(model, after=Mahiro())


@node(id="FreSca", title="FreSca", category=_TESTING, output_tooltips=_GUIDED, experimental=True)
def fresca(
    model: Model,
    scale_low: _Gain = 1.0,
    scale_high: _Gain = 1.25,
    freq_cutoff: Annotated[int, Range(1, 10000, 1)] = 20,
) -> Model:
    """Weigh the guidance's large shapes and its fine detail separately.

    Args:
        model: The model to guide.
        scale_low: Factor for large shapes.
        scale_high: Factor for fine detail.
        freq_cutoff: How many frequencies, from the lowest on, count as large shapes.
    """
    from host.builtin_nodes.guidance.projection import FrequencyScaling

    return with_guidance(model, before=FrequencyScaling(scale_low, scale_high, freq_cutoff))


@node(id="RenormCFG", category="advanced/model", output_tooltips=_GUIDED)
def renorm_cfg(
    model: Model,
    cfg_trunc: Annotated[float, Range(0.0, 100.0, 0.01)] = 100.0,
    renorm_cfg: Annotated[float, Range(0.0, 100.0, 0.01)] = 1.0,
) -> Model:
    """Keep guidance from making the estimate longer than the positive prompt alone would (Lumina-Image 2.0).

    Args:
        model: The model to guide.
        cfg_trunc: Noise level from which on, upwards, there is no guidance.
        renorm_cfg: Longest result, as a multiple of the positive estimate. 0 sets no bound.
    """
    from host.builtin_nodes.guidance.reweighting import RenormCfg

    return with_guidance(model, formula=RenormCfg(cfg_trunc, renorm_cfg))


@node(
    id="PerpNeg",
    title="Perp-Neg (DEPRECATED by PerpNegGuider)",
    category=_TESTING,
    output_tooltips=_GUIDED,
    experimental=True,
    deprecated="PerpNegGuider does the same with fewer evaluations of the model.",
)
def perp_neg(
    model: Model, empty_conditioning: Conditioning, neg_scale: Annotated[float, Range(0.0, 100.0, 0.01)] = 1.0
) -> Model:
    """Follow the negative prompt only where it does not work against the positive one.

    Args:
        model: The model to guide.
        empty_conditioning: An encoded empty prompt, which both prompts are measured against.
        neg_scale: How much the negative prompt counts.
    """
    from host.builtin_nodes.guidance.projection import PerpNeg

    return with_guidance(model, formula=PerpNeg(empty_conditioning, neg_scale))


@node(
    id="LatentApplyOperationCFG",
    category="latent/advanced/operations",
    output_tooltips=_GUIDED,
    experimental=True,
)
def latent_apply_operation_cfg(model: Model, operation: LatentOperation) -> Model:
    """Apply an operation on latents to the guidance at every step.

    Args:
        model: The model to guide.
        operation: The operation, such as a sharpening.
    """
    from host.builtin_nodes.guidance.projection import LatentOperationGuidance

    return with_guidance(model, before=LatentOperationGuidance(operation))


@node(
    id="VideoLinearCFGGuidance",
    title="VideoLinearCFGGuidance",
    category="sampling/video_models",
    output_tooltips=_GUIDED,
)
def video_linear_cfg(model: Model, min_cfg: _FrameCfg = 1.0) -> Model:
    """Guide the frames of a video ever more strongly, up to the sampler's cfg at the last one.

    Args:
        model: The model to guide.
        min_cfg: Strength of guidance for the first frame.
    """
    from host.builtin_nodes.guidance.reweighting import FrameGuidance

    return with_guidance(model, formula=FrameGuidance(min_cfg, triangle=False))


@node(
    id="VideoTriangleCFGGuidance",
    title="VideoTriangleCFGGuidance",
    category="sampling/video_models",
    output_tooltips=_GUIDED,
)
def video_triangle_cfg(model: Model, min_cfg: _FrameCfg = 1.0) -> Model:
    """Guide the middle frames of a video with the sampler's cfg, and more weakly towards both ends.

    Args:
        model: The model to guide.
        min_cfg: Strength of guidance for the first and the last frame.
    """
    from host.builtin_nodes.guidance.reweighting import FrameGuidance

    return with_guidance(model, formula=FrameGuidance(min_cfg, triangle=True))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that change how estimates are combined."""
    return [
        *(cfg_norm, cfg_zero_star, tcfg, apg, mahiro, fresca, renorm_cfg, perp_neg),
        *(latent_apply_operation_cfg, video_linear_cfg, video_triangle_cfg),
    ]
