"""What packs put into a model, as rules and patches of the host's sampling, which call it as packs expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.sampling.patches import Attend, PatchCall
from host.builtin_nodes.sampling.rules import Step
from host.comfyui.handles import UnknownAttribute
from host.comfyui.surface.model_options import PATCHES, REPLACED, Options, copied
from host.comfyui.surface.networks import network_of
from sdk.models import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

    from host.builtin_nodes.sampling.parametrisation import Parametrisation

_SIDES = ("positive", "negative")


class OfPack:
    """Marks what packs have put into a model, among what the host's nodes have."""


@dataclass(frozen=True, eq=False)
class Side:
    """The prompts of one side of a run, as packs hand them to ``comfy.samplers.calc_cond_batch``.

    Attributes:
        name: ``positive`` or ``negative``.
        options: those of the model.
    """

    name: str
    step: Step
    options: Options

    def __getitem__(self, index: object) -> Any:
        raise UnknownAttribute("running model's conditioning", str(index))


@dataclass(frozen=True, eq=False)
class Rule(OfPack):
    """A function that is told of a step.

    Attributes:
        options: those of the model.
        handle: the model's; None where a sampler of a pack has put the function in.
    """

    function: Callable[..., Any]
    options: Options
    handle: ModelHandle | None

    def _facts(self, step: Step) -> dict[str, Any]:
        level = step.x.new_full((len(step.x),), step.sigma)
        return {
            "cond_scale": step.cfg,
            "input": step.x,
            "sigma": level,
            "timestep": level,
            "model": self.handle and network_of(self.handle, step.parametrisation, step.x.device),
            "model_options": copied(self.options),
        }

    def _sides(self, step: Step) -> tuple[Side, Side | None]:
        """The conditioning of both sides; None for a negative one that isn't evaluated."""
        positive, negative = (Side(name, step, self.options) for name in _SIDES)
        return positive, negative if step.has_negative else None


class Formula(Rule):
    """What combines both sides: the function gives the noise, in units of the sample, that is taken away."""

    def __call__(self, step: Step) -> Tensor:
        facts = self._facts(step) | {"cond_denoised": step.positive, "uncond_denoised": step.negative}
        facts |= {"cond": step.x - step.positive, "uncond": step.x - step.negative}
        combined: Tensor = step.x - self.function(facts)
        return combined


class BeforeGuidance(Rule):
    """What changes the estimates of both sides, which it gets and gives as a list."""

    def __call__(self, step: Step) -> Step:
        facts = self._facts(step) | {"conds": list(self._sides(step)), "conds_out": [step.positive, step.negative]}
        positive, negative = self.function(facts)[:2]
        return replace(step, positive=positive, negative=negative)


class AfterGuidance(Rule):
    """What changes the combined estimate."""

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        positive, negative = self._sides(step)
        facts = self._facts(step) | {"cond_denoised": step.positive, "uncond_denoised": step.negative}
        changed: Tensor = self.function(facts | {"denoised": denoised, "cond": positive, "uncond": negative})
        return changed


@dataclass(frozen=True, eq=False)
class MaskFunction(OfPack):
    """How the noise mask changes on the way."""

    function: Callable[..., Any]
    handle: ModelHandle | None

    def __call__(self, mask: Tensor, sigma: float, *, sigmas: Tensor, parametrisation: Parametrisation) -> Tensor:
        network = self.handle and network_of(self.handle, parametrisation, mask.device)
        level = mask.new_full((len(mask),), sigma)
        changed: Tensor = self.function(level, mask, extra_options={"model": network, "sigmas": sigmas.to(mask.device)})
        return changed


@dataclass(frozen=True, eq=False)
class _Patch(OfPack):
    """A function inside the network.

    Attributes:
        options: the model's ``transformer_options``, of which it is told.
    """

    function: Callable[..., Any]
    options: Mapping[str, Any]


class BlockPatch(_Patch):
    """Changes the output of a block."""

    def __call__(self, hidden: Tensor, call: PatchCall) -> Tensor:
        changed: Tensor = self.function(hidden, told(self.options, call, hidden))
        return changed


class JoinPatch(_Patch):
    """Changes what an output block joins."""

    def __call__(self, hidden: Tensor, skip: Tensor, call: PatchCall) -> tuple[Tensor, Tensor]:
        hidden, skip = self.function(hidden, skip, told(self.options, call, hidden))
        return hidden, skip


class AttentionPatch(_Patch):
    """Replaces attention between a layer's projections."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, call: PatchCall) -> Tensor:
        changed: Tensor = self.function(q, k, v, told_of_attention(self.options, call, q))
        return changed


@dataclass(frozen=True, eq=False)
class AroundAttention(OfPack):
    """Changes what attention layers see, and what they give; each in the order in which functions were put in."""

    before: Sequence[Callable[..., Any]]
    after: Sequence[Callable[..., Any]]
    options: Mapping[str, Any]

    def __call__(self, attend: Attend, query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
        facts = told_of_attention(self.options, call, query)
        for function in self.before:
            query, key, value = function(query, key, value, facts)
        out = attend(query, key, value)
        for function in self.after:
            out = function(out, facts)
        return out


def told(options: Mapping[str, Any], call: PatchCall, hidden: Tensor) -> dict[str, Any]:
    """What a function is told of where and when it is called; ``hidden`` lies on the network's device."""
    import torch

    return {
        **{name: value for name, value in options.items() if name not in (PATCHES, REPLACED)},
        "block": tuple(call.place[:2]),
        "cond_or_uncond": side_numbers(call),
        "original_shape": list(call.shape),
        "sigmas": torch.tensor([call.sigma], device=hidden.device),
    }


def side_numbers(call: PatchCall) -> list[int]:
    """The side that each part of the batch belongs to: 0 positive, 1 negative, 2 any other."""
    return [_SIDES.index(side) if side in _SIDES else len(_SIDES) for side in call.sides]


def told_of_attention(options: Mapping[str, Any], call: PatchCall, tokens: Tensor) -> dict[str, Any]:
    """What a function is told in an attention layer, whose tokens are [batch, token, width]."""
    depth = call.place[2] if len(call.place) > 2 else 0
    width = tokens.shape[-1] // call.heads
    return {**told(options, call, tokens), "n_heads": call.heads, "dim_head": width, "block_index": depth}
