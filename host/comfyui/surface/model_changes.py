"""Turns functions that packs put into a model, with the arguments they know, into rules and patches of the host."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.sampling.patches import Attend, NetworkPatches, PatchCall
from host.builtin_nodes.sampling.rules import AfterGuidance, GuidanceFormula, Step

if TYPE_CHECKING:
    from torch import Tensor

_SIDES = ("positive", "negative")
_SIDES_AND_SCALE = ("cond", "uncond", "cond_scale")

AfterAttention = Callable[["Tensor", Mapping[str, Any]], "Tensor"]
BlockFunction = Callable[["Tensor", Mapping[str, Any]], "Tensor"]
JoinFunction = Callable[["Tensor", "Tensor", Mapping[str, Any]], tuple["Tensor", "Tensor"]]
BeforeAttention = Callable[..., tuple["Tensor", "Tensor", "Tensor"]]
Replacement = Callable[["Tensor", "Tensor", "Tensor", Mapping[str, Any]], "Tensor"]


def formula(function: Callable[..., Tensor], model: Any) -> GuidanceFormula:
    """What combines both sides: the function gives the noise, in units of the sample, that is taken away.

    It takes facts by name; or, as older ones do, three arguments: both sides and the scale of guidance.
    """
    takes_sides = len(inspect.signature(function).parameters) == len(_SIDES_AND_SCALE)

    def combine(step: Step) -> Tensor:
        facts = _facts(step, model) | {"cond": step.x - step.positive, "uncond": step.x - step.negative}
        facts |= {"timestep": facts["sigma"]}
        return step.x - (function(*(facts[name] for name in _SIDES_AND_SCALE)) if takes_sides else function(facts))

    return combine


def after_guidance(function: Callable[[dict[str, Any]], Tensor], model: Any) -> AfterGuidance:
    """What changes the combined estimate."""

    def change(step: Step, denoised: Tensor) -> Tensor:
        return function(_facts(step, model) | {"denoised": denoised})

    return change


def block(function: BlockFunction) -> Callable[[Tensor, PatchCall], Tensor]:
    """What changes the output of a block."""
    return lambda hidden, call: function(hidden, _options(call))


def join(function: JoinFunction) -> Callable[[Tensor, Tensor, PatchCall], tuple[Tensor, Tensor]]:
    """What changes what an output block joins."""
    return lambda hidden, skip, call: function(hidden, skip, _options(call))


def before_attention(function: BeforeAttention) -> Callable[..., Tensor]:
    """What changes that which an attention layer sees."""

    def around(attend: Attend, query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
        return attend(*function(query, key, value, _options(call, query.shape[-1])))

    return around


def after_attention(function: AfterAttention) -> Callable[..., Tensor]:
    """What changes the output of an attention layer."""

    def around(attend: Attend, query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
        return function(attend(query, key, value), _options(call, query.shape[-1]))

    return around


def in_attention(function: Replacement) -> Callable[[Tensor, Tensor, Tensor, PatchCall], Tensor]:
    """What replaces attention between a layer's projections."""
    return lambda q, k, v, call: function(q, k, v, _options(call, q.shape[-1]))


def self_attention(function: Replacement, block_name: str, number: int, index: int | None) -> NetworkPatches:
    """The replacement of self-attention in a block, or in one of its layers."""
    place = (block_name, number) if index is None else (block_name, number, index)
    return NetworkPatches(self_attention={place: in_attention(function)})


def _facts(step: Step, model: Any) -> dict[str, Any]:
    return {
        "cond_denoised": step.positive,
        "uncond_denoised": step.negative,
        "cond_scale": step.cfg,
        "input": step.x,
        "sigma": step.x.new_full((len(step.x),), step.sigma),
        "model": model,
        "model_options": {"transformer_options": {}},
    }


def _options(call: PatchCall, width: int | None = None) -> dict[str, Any]:
    """What a patch is told of where and when it is called; ``width`` is that of the tokens of an attention layer."""
    import torch

    sides = [_SIDES.index(side) if side in _SIDES else len(_SIDES) for side in call.sides]
    facts: dict[str, Any] = {
        "block": tuple(call.place[:2]),
        "cond_or_uncond": sides,
        "original_shape": list(call.shape),
        "sigmas": torch.tensor([call.sigma]),
    }
    if width is not None:
        facts |= {"n_heads": call.heads, "dim_head": width // call.heads}
        facts |= {"block_index": call.place[2] if len(call.place) > 2 else 0}
    return facts
