"""``model_options``: the nested dicts in which packs keep the functions that they put into a model.

``comfy.model_patcher`` has the functions here that change such dicts; a model's own travel in its handle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdk.errors import NodeError
from sdk.models import ModelHandle

Options = dict[str, Any]

CFG, PRE_CFG, POST_CFG = "sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function"
BOTH_SIDES, MASK, TRANSFORMER = "disable_cfg1_optimization", "denoise_mask_function", "transformer_options"
PATCHES, REPLACED, WRAPPER = "patches", "patches_replace", "model_function_wrapper"

_OPTION = "model_options"
_NOT_FOLLOWED = ("sampler_calc_cond_batch_function", "context_handler")
_NOT_FOLLOWED_INSIDE = ("wrappers", "callbacks")


class NotOfferedInModels(NodeError):
    """A pack puts something into a model that this host's sampling has no place for; ``name`` is ComfyUI's for it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"A pack puts {self.name!r} into a model, for which sampling has no place here, so that it would have no "
            "effect. Remove the node that does so."
        )


def options_of(handle: ModelHandle) -> Options:
    """A copy of the options of a model; with an empty dict of ``transformer_options`` where there are none yet."""
    found: Options = copied(snapshot_of(handle))
    return found


def snapshot_of(handle: ModelHandle) -> Mapping[str, Any]:
    """The options of a model as its handle has them, not to be changed."""
    return options_among(handle.options)


def options_among(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of packs among the options of a handle, not to be changed."""
    found: Mapping[str, Any] = options.get(_OPTION, {TRANSFORMER: {}})
    return found


def with_snapshot(handle: ModelHandle, options: Options) -> ModelHandle:
    """The model with these options in place of its own."""
    return handle.with_options(**{_OPTION: options})


def copied(value: Any) -> Any:
    """The value, with every dict and list in it copied, and what these hold shared."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return list(map(copied, value)) if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are dicts and lists of the very same things."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other


def refuse_unfollowed(options: Mapping[str, Any]) -> None:
    """Nothing, if sampling follows all that these options ask for; else NotOfferedInModels."""
    inside = options.get(TRANSFORMER, {})
    for known, names in ((options, _NOT_FOLLOWED), (inside, _NOT_FOLLOWED_INSIDE)):
        for name in names:
            if known.get(name):
                raise NotOfferedInModels(name)


def create_model_options_clone(orig_model_options: Options) -> Options:
    """A copy that shares functions alone."""
    clone: Options = copied(orig_model_options)
    return clone


def set_model_options_patch_replace(
    model_options: Options,
    patch: Callable[..., Any],
    name: str,
    block_name: str,
    number: int,
    transformer_index: int | None = None,
) -> Options:
    """A copy of the options in which a function does the attention ``name`` of a block, or of one of its layers."""
    changed = create_model_options_clone(model_options)
    place = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
    changed.setdefault(TRANSFORMER, {}).setdefault(REPLACED, {}).setdefault(name, {})[place] = patch
    return changed


def set_model_options_pre_cfg_function(
    model_options: Options, pre_cfg_function: Callable[..., Any], disable_cfg1_optimization: bool = False
) -> Options:
    """The options with one more function that changes the predictions of both sides; changed in place."""
    return _with_function(model_options, PRE_CFG, pre_cfg_function, disable_cfg1_optimization)


def set_model_options_post_cfg_function(
    model_options: Options, post_cfg_function: Callable[..., Any], disable_cfg1_optimization: bool = False
) -> Options:
    """The options with one more function that changes the combined prediction; changed in place."""
    return _with_function(model_options, POST_CFG, post_cfg_function, disable_cfg1_optimization)


def _with_function(options: Options, name: str, function: Callable[..., Any], both_sides: bool) -> Options:
    options[name] = [*options.get(name, ()), function]
    if both_sides:
        options[BOTH_SIDES] = True
    return options
