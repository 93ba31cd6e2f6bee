"""Nodes that join a model, prompts and guidance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Conditioning, Guider, Model, NodeType, Range, hookimpl, node

CATEGORY = "sampling/custom_sampling/guiders"
Cfg = Annotated[float, Range(0.0, 100.0, 0.1, round=0.01)]


@node(id="BasicGuider", title="BasicGuider", category=CATEGORY, output_tooltips=("The guided model.",))
def basic_guider(model: Model, conditioning: Conditioning) -> Guider:
    """One prompt and no guidance, as distilled models want it.

    Args:
        model: The network that removes the noise.
        conditioning: What the image should show.
    """
    from host.builtin_nodes.custom_sampling.guiders import BasicGuider

    return BasicGuider(model, conditioning)


@node(id="CFGGuider", title="CFGGuider", category=CATEGORY, output_tooltips=("The guided model.",))
def cfg_guider(model: Model, positive: Conditioning, negative: Conditioning, cfg: Cfg = 8.0) -> Guider:
    """Towards one prompt and away from another.

    Args:
        model: The network that removes the noise.
        positive: What the image should show.
        negative: What the image should not show.
        cfg: How strictly the prompts are followed. At 1 the negative prompt is not used at all.
    """
    from host.builtin_nodes.custom_sampling.guiders import CfgGuider

    return CfgGuider(model, positive, negative, cfg)


@node(id="DualCFGGuider", title="DualCFGGuider", category=CATEGORY, output_tooltips=("The guided model.",))
def dual_cfg_guider(
    *,
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    style: Literal["regular", "nested"],
) -> Guider:
    """Towards one prompt and away from a second one, which itself is led away from a negative one.

    For models that follow an instruction about an image: the second prompt carries the image alone.

    Args:
        model: The network that removes the noise.
        cond1: What the image should show, with everything there is to say.
        cond2: What of it counts separately, such as the image without the instruction.
        negative: What the image should not show.
        cfg_conds: How strictly the first prompt is followed, compared with the second.
        cfg_cond2_negative: How strictly the second prompt is followed, compared with the negative one.
        style: Regular adds both steps up; nested takes the second one from where the first has led.
    """
    from host.builtin_nodes.custom_sampling.guiders import DualCfgGuider

    return DualCfgGuider(model, cond1, cond2, negative, cfg_conds, cfg_cond2_negative, style == "nested")


@node(
    id="PerpNegGuider",
    category="_for_testing",
    experimental=True,
    output_tooltips=("The guided model.",),
)
def perp_neg_guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty_conditioning: Conditioning,
    cfg: Cfg = 8.0,
    neg_scale: Annotated[float, Range(0.0, 100.0, 0.01)] = 1.0,
) -> Guider:
    """Away from a negative prompt only as far as that does not touch the positive one (Armandpour et al. 2023).

    Args:
        model: The network that removes the noise.
        positive: What the image should show.
        negative: What the image should not show.
        empty_conditioning: An empty prompt, from which both are measured.
        cfg: How strictly the prompts are followed.
        neg_scale: How much the negative prompt counts.
    """
    from host.builtin_nodes.custom_sampling.guiders import PerpNegGuider

    return PerpNegGuider(model, positive, negative, empty_conditioning, cfg, neg_scale)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that join a model, prompts and guidance."""
    return [basic_guider, cfg_guider, dual_cfg_guider, perp_neg_guider]
