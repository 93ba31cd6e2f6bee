"""Nodes that guide away from what a weakened network predicts, and one that softens masks over time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.sampling.rules import NetworkPatches, with_guidance
from sdk import Model, NodeType, Omittable, Options, Range, hookimpl, node

_ADVANCED = "advanced/guidance"
_TESTING = "_for_testing"
_GUIDED = ("The model with this guidance.",)
_Share = Annotated[float, Range(0.0, 1.0, 0.001)]
_Layers = Annotated[str, Options({"multiline": False})]
_Scale = Annotated[float, Range(0.0, 10.0, 0.1)]


@node(
    id="PerturbedAttentionGuidance",
    category="model_patches/unet",
    output_tooltips=_GUIDED,
)
def perturbed_attention_guidance(
    model: Model, scale: Annotated[float, Range(0.0, 100.0, 0.01, round=0.01)] = 3.0
) -> Model:
    """Guide away from what the network sees when its middle block does not look around; improves structure.

    Costs one more evaluation of the network a step.

    Args:
        model: A UNet.
        scale: Strength. 0 changes nothing.
    """
    from host.builtin_nodes.guidance.perturbation import PerturbedAttention

    return with_guidance(model, after=PerturbedAttention(scale))


@node(
    id="SelfAttentionGuidance",
    title="Self-Attention Guidance",
    category=_TESTING,
    output_tooltips=_GUIDED,
    experimental=True,
)
def self_attention_guidance(
    model: Model,
    scale: Annotated[float, Range(-2.0, 5.0, 0.01)] = 0.5,
    blur_sigma: Annotated[float, Range(0.0, 10.0, 0.1)] = 2.0,
) -> Model:
    """Guide away from an image that is blurred where the network looks most; improves detail.

    Costs one more evaluation of the network a step.

    Args:
        model: A UNet.
        scale: Strength. 0 changes nothing.
        blur_sigma: How strong the blur is, in latent cells.
    """
    from host.builtin_nodes.guidance.perturbation import MIDDLE, SelfAttentionGuidance

    rule = SelfAttentionGuidance(scale, blur_sigma)
    patches = NetworkPatches(self_attention={(*MIDDLE, 0): rule.record})
    return with_guidance(model, after=rule, patches=patches, needs_negative=True)


@node(id="SkipLayerGuidanceDiT", category=_ADVANCED, output_tooltips=_GUIDED, experimental=True)
def skip_layer_guidance_dit(
    model: Model,
    double_layers: _Layers = "7, 8, 9",
    single_layers: _Layers = "7, 8, 9",
    scale: _Scale = 3.0,
    start_percent: _Share = 0.01,
    end_percent: _Share = 0.15,
    rescaling_scale: Annotated[float, Range(0.0, 10.0, 0.01)] = 0.0,
) -> Model:
    """Guide away from what a transformer predicts without some of its blocks; improves structure.

    Costs one more evaluation of the network a step.

    Args:
        model: A diffusion transformer.
        double_layers: Numbers of the double blocks to leave out.
        single_layers: Numbers of the single blocks to leave out.
        scale: Strength. 0 changes nothing.
        start_percent: Share of the run after which it begins.
        end_percent: Share of the run after which it ends.
        rescaling_scale: How far the result is brought back to the positive estimate's spread.
    """
    return _skip_layers(model, double_layers, single_layers, scale, (start_percent, end_percent), rescaling_scale)


@node(id="SkipLayerGuidanceSD3", category=_ADVANCED, output_tooltips=_GUIDED, experimental=True)
def skip_layer_guidance_sd3(
    model: Model,
    layers: _Layers = "7, 8, 9",
    scale: _Scale = 3.0,
    start_percent: _Share = 0.01,
    end_percent: _Share = 0.15,
) -> Model:
    """Guide away from what Stable Diffusion 3 predicts without some of its blocks; improves structure.

    Costs one more evaluation of the network a step.

    Args:
        model: Stable Diffusion 3 or 3.5.
        layers: Numbers of the blocks to leave out.
        scale: Strength. 0 changes nothing.
        start_percent: Share of the run after which it begins.
        end_percent: Share of the run after which it ends.
    """
    return _skip_layers(model, layers, "", scale, (start_percent, end_percent), 0.0)


@node(id="SkipLayerGuidanceDiTSimple", category=_ADVANCED, output_tooltips=_GUIDED, experimental=True)
def skip_layer_guidance_dit_simple(
    model: Model,
    double_layers: _Layers = "7, 8, 9",
    single_layers: _Layers = "7, 8, 9",
    start_percent: _Share = 0.0,
    end_percent: _Share = 1.0,
) -> Model:
    """Let a transformer predict the negative side without some of its blocks, at no further cost.

    Args:
        model: A diffusion transformer.
        double_layers: Numbers of the double blocks to leave out.
        single_layers: Numbers of the single blocks to leave out.
        start_percent: Share of the run after which it begins.
        end_percent: Share of the run after which it ends.
    """
    from host.builtin_nodes.guidance.perturbation import SkipNegativeLayers, Stretch

    if not (skipped := _blocks(double_layers, single_layers)):
        return model
    return with_guidance(model, negative_patches=SkipNegativeLayers(skipped, Stretch(start_percent, end_percent)))


@node(
    id="DifferentialDiffusion",
    title="Differential Diffusion",
    category=_TESTING,
    output_tooltips=("The model for sampling under a soft mask.",),
    experimental=True,
)
def differential_diffusion(model: Model, strength: Annotated[float, Range(0.0, 1.0, 0.01), Omittable()] = 1.0) -> Model:
    """Read a soft noise mask as how much each place may change: dark places join in late in the run.

    Args:
        model: The model to sample with.
        strength: 1 turns the mask hard at each step; lower values keep a part of its softness.
    """
    from host.builtin_nodes.guidance.masks import DifferentialDiffusion

    return with_guidance(model, mask=DifferentialDiffusion(strength))


def _skip_layers(
    model: Model, double: str, single: str, scale: float, stretch: tuple[float, float], rescale: float
) -> Model:
    from host.builtin_nodes.guidance.perturbation import SkipLayers, Stretch

    if not (skipped := _blocks(double, single)):
        return model
    return with_guidance(model, after=SkipLayers(skipped, scale, Stretch(*stretch), rescale))


def _blocks(double: str, single: str) -> frozenset[tuple[str, int]]:
    """The blocks whose numbers stand in two texts, whatever stands between them."""
    texts = {"double_block": double, "single_block": single}
    return frozenset((kind, int(number)) for kind, text in texts.items() for number in re.findall(r"\d+", text))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that guide by weakening the network, and differential diffusion."""
    return [
        *(perturbed_attention_guidance, self_attention_guidance, differential_diffusion),
        *(skip_layer_guidance_dit, skip_layer_guidance_sd3, skip_layer_guidance_dit_simple),
    ]
