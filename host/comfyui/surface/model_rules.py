"""Turns ``model_options`` of packs into rules and patches of the host's sampling, and predicts for packs with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from host.builtin_nodes.families.sampled_model import AROUND
from host.builtin_nodes.sampling.masking import MaskedDenoiser
from host.builtin_nodes.sampling.patches import NetworkPatches
from host.builtin_nodes.sampling.rules import GUIDANCE, Guidance, guidance_of
from host.comfyui.surface import model_changes as changes
from host.comfyui.surface.model_changes import OfPack, Side
from host.comfyui.surface.model_options import (
    BOTH_SIDES,
    CFG,
    MASK,
    PATCHES,
    POST_CFG,
    PRE_CFG,
    REPLACED,
    TRANSFORMER,
    WRAPPER,
    NotOfferedInModels,
    Options,
    copied,
    options_among,
    refuse_unfollowed,
    snapshot_of,
    with_snapshot,
)
from sdk.errors import NodeError
from sdk.models import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")

_FOLLOWED = frozenset(
    (
        *("attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch"),
        *("input_block_patch", "input_block_patch_after_skip", "output_block_patch"),
    )
)
"""Names of the places where sampling calls packs' functions."""

_REPLACED = ("attn1", "attn2")
"""Kinds of attention that functions of packs may do instead of the network."""
_SAME_LEVEL = 1e-4
"""How far a pack's noise level may be from the step's, relative to it, to count as the same."""


def with_options(handle: ModelHandle, options: Options) -> ModelHandle:
    """The model with what packs want, as their options say it, beside what the host's nodes put into it.

    Raises:
        NotOfferedInModels: sampling has no place for something among the options.
    """
    wanted = copied(options)
    guidance = guided_by(guidance_of(handle), snapshot_of(handle), wanted, handle)
    return with_snapshot(handle.with_options(**{GUIDANCE: guidance, AROUND: _around(handle.options, wanted)}), wanted)


def _around(known: Mapping[str, Any], options: Options) -> tuple[Any, ...]:
    """What is called around a network with these options of a handle, when packs want theirs."""
    from host.comfyui.surface.network_wrapper import NetworkWrapper

    function = options.get(WRAPPER)
    made = [] if function is None else [NetworkWrapper(function, options)]
    return _placed(known.get(AROUND, ()), made)


def guided_by(guidance: Guidance, before: Mapping[str, Any], wanted: Options, handle: ModelHandle | None) -> Guidance:
    """Guidance with what packs want in place of what they wanted before; the host's own stays."""
    refuse_unfollowed(wanted)
    formula = partial(changes.Formula, options=wanted, handle=handle)
    mask = partial(changes.MaskFunction, handle=handle)
    early = [changes.BeforeGuidance(function, wanted, handle) for function in wanted.get(PRE_CFG, ())]
    late = [changes.AfterGuidance(function, wanted, handle) for function in wanted.get(POST_CFG, ())]
    return replace(
        guidance,
        before=_placed(guidance.before, early),
        formula=_chosen(guidance.formula, before.get(CFG), wanted.get(CFG), formula),
        after=_placed(guidance.after, late),
        needs_negative=guidance.needs_negative or bool(wanted.get(BOTH_SIDES)),
        mask=_chosen(guidance.mask, before.get(MASK), wanted.get(MASK), mask),
        patches=_with_patches(guidance.patches, network_patches(wanted.get(TRANSFORMER, {}))),
    )


def network_patches(options: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> NetworkPatches:
    """What ``transformer_options`` ask for inside the network, and ``known`` ones don't.

    Raises:
        NotOfferedInModels: networks have no place for some of it.
    """
    new = _NewFunctions(options, known or {})
    replaced: dict[str, dict[Any, changes.AttentionPatch]] = {
        kind: {place: changes.AttentionPatch(function, options) for place, function in new.replaced(kind).items()}
        for kind in _REPLACED
    }
    return NetworkPatches(
        self_attention=replaced["attn1"],
        cross_attention=replaced["attn2"],
        around_self=new.around("attn1"),
        around_cross=new.around("attn2"),
        after_input=tuple(changes.BlockPatch(function, options) for function in new.at("input_block_patch")),
        after_skip=tuple(changes.BlockPatch(function, options) for function in new.at("input_block_patch_after_skip")),
        before_output=tuple(changes.JoinPatch(function, options) for function in new.at("output_block_patch")),
    )


def added_patches(options: Mapping[str, Any], own: Mapping[str, Any]) -> NetworkPatches:
    """What ``transformer_options`` of one evaluation ask for beside the model's ``own``.

    Raises:
        NodeError: some of the model's own isn't among them, or networks have no place for some of the rest.
    """
    if _NewFunctions(own, options).left_out():
        raise NodeError("An evaluation here can't leave out what was put into the model. Put it in later instead.")
    return network_patches(options, own)


class _NewFunctions:
    """The functions in ``transformer_options`` that aren't in others.

    Raises:
        NotOfferedInModels: some are for places that networks here don't have.
    """

    def __init__(self, options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self._options, self._known = options, known
        for name in options.get(PATCHES, {}).keys() - _FOLLOWED:
            if options[PATCHES][name]:
                raise NotOfferedInModels(name)
        for name in options.get(REPLACED, {}).keys() - set(_REPLACED):
            if options[REPLACED][name]:
                raise NotOfferedInModels(f"{name}_replace")

    def left_out(self) -> bool:
        """Whether the others have nothing at the places of some."""
        others = self._known.get(REPLACED, {})
        gone = any(self.replaced(kind).keys() - others.get(kind, {}).keys() for kind in _REPLACED)
        return gone or any(map(self.at, _FOLLOWED))

    def at(self, name: str) -> list[Callable[..., Any]]:
        """Those for the places of a name."""
        known = self._known.get(PATCHES, {}).get(name, ())
        wanted = self._options.get(PATCHES, {}).get(name, ())
        return [function for function in wanted if not any(item is function for item in known)]

    def around(self, attention: str) -> tuple[changes.AroundAttention, ...]:
        """Those around a kind of attention."""
        before, after = self.at(f"{attention}_patch"), self.at(f"{attention}_output_patch")
        return (changes.AroundAttention(before, after, self._options),) if before or after else ()

    def replaced(self, attention: str) -> dict[tuple[Any, ...], Callable[..., Any]]:
        """Those that do a kind of attention, by place."""
        known = self._known.get(REPLACED, {}).get(attention, {})
        wanted = self._options.get(REPLACED, {}).get(attention, {})
        return {place: function for place, function in wanted.items() if known.get(place) is not function}


def guided_in(denoise: Any) -> Any:
    """The guided model in a run's denoiser, inside of its mask."""
    return denoise.inner if isinstance(denoise, MaskedDenoiser) else denoise


def options_in(denoise: Any) -> Mapping[str, Any]:
    """The options of the model in a run's denoiser, not to be changed."""
    return options_among(getattr(guided_in(denoise).model, "options", {}))


def with_options_in(denoise: Any, options: Mapping[str, Any]) -> Any:
    """A run's denoiser with other options in place of its model's."""
    if isinstance(denoise, MaskedDenoiser):
        return replace(denoise, inner=with_options_in(denoise.inner, options))
    guidance = denoise.guidance
    handles = [rule.handle for rule in (*guidance.before, *guidance.after) if isinstance(rule, changes.Rule)]
    wanted = copied(options)
    changed = guided_by(guidance, options_in(denoise), wanted, next(iter(handles), None))
    known = denoise.model.options
    model = replace(denoise.model, options={**known, AROUND: _around(known, wanted)})
    return replace(denoise, guidance=changed, model=model)


def predicted(side: Any, x: Tensor, sigma: Tensor, options: Mapping[str, Any]) -> Tensor:
    """The estimate of the clean latent for one side of the step that a pack's function is told of.

    Args:
        sigma: the step's level.
        options: the model's; what a pack has put into ``transformer_options`` is followed, too.

    Raises:
        NodeError: the side is none of the step's, the level another, or something of the model is to be left out.
    """
    if not isinstance(side, Side):
        raise NodeError(
            "calc_cond_batch here takes the `cond` and `uncond` that a function put into a model is told of, and was "
            f"given {type(side).__name__}."
        )
    level = float(sigma.flatten()[0])
    if abs(level - side.step.sigma) > _SAME_LEVEL * side.step.sigma:
        raise NodeError(f"calc_cond_batch here works on the level of its step, {side.step.sigma:.4g}, not {level:.4g}.")
    own, wanted = side.options.get(TRANSFORMER, {}), options.get(TRANSFORMER, {})
    return side.step.predict(side.name, x=x, patches=added_patches(wanted, own))


def _placed(known: tuple[Item, ...], made: Iterable[Item]) -> tuple[Item, ...]:
    """Known items with the packs' in place of their earlier ones, or behind all."""
    first = next((index for index, item in enumerate(known) if isinstance(item, OfPack)), len(known))
    others = [item for item in known if not isinstance(item, OfPack)]
    return (*others[:first], *made, *others[first:])


def _chosen(known: Any, before: Any, wanted: Any, made: Callable[[Any], Any]) -> Any:
    """The last word: the host's nodes have it where they spoke after packs, whose wish is still the same."""
    if wanted is before and not isinstance(known, OfPack):
        return known
    return None if wanted is None else made(wanted)


def _with_patches(known: NetworkPatches, made: NetworkPatches) -> NetworkPatches:
    """Known patches with the packs' in place of their earlier ones."""
    return replace(
        known,
        self_attention={**_not_of_packs(known.self_attention), **made.self_attention},
        cross_attention={**_not_of_packs(known.cross_attention), **made.cross_attention},
        around_self=_placed(known.around_self, made.around_self),
        around_cross=_placed(known.around_cross, made.around_cross),
        after_input=_placed(known.after_input, made.after_input),
        after_skip=_placed(known.after_skip, made.after_skip),
        before_output=_placed(known.before_output, made.before_output),
    )


def _not_of_packs(patches: Mapping[Any, Any]) -> dict[Any, Any]:
    return {place: patch for place, patch in patches.items() if not isinstance(patch, OfPack)}
