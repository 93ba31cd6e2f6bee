"""``model_options`` are nested dicts that packs copy, compare and change."""

from __future__ import annotations

from typing import Any

import pytest

from host.comfyui.surface import model_options as options
from host.comfyui.surface import model_patcher


def first(facts: Any) -> None:
    """Stands for a function of a pack."""


def second(facts: Any) -> None:
    """Stands for another."""


def test_a_copy_shares_functions_alone() -> None:
    given = {"transformer_options": {"patches": {"attn1_patch": [first]}}, "other": (first,)}
    clone = model_patcher.create_model_options_clone(given)
    assert options.same(clone, given)
    clone["transformer_options"]["patches"]["attn1_patch"].append(second)
    assert given["transformer_options"]["patches"]["attn1_patch"] == [first]
    assert not options.same(clone, given)


@pytest.mark.parametrize(
    "other",
    [{}, {"a": [first]}, {"a": [second, first]}, {"a": [first, second], "b": 1}, {"b": [first, second]}, {"a": first}],
)
def test_options_differ_where_any_part_does(other: dict[str, Any]) -> None:
    assert not options.same({"a": [first, second]}, other)


def test_attention_is_replaced_in_a_copy() -> None:
    given = {"transformer_options": {"patches_replace": {"attn1": {("middle", 0): first}}}}
    one = model_patcher.set_model_options_patch_replace(given, second, "attn1", "middle", 0)
    layer = model_patcher.set_model_options_patch_replace(given, second, "attn2", "input", 4, 1)
    assert one["transformer_options"]["patches_replace"] == {"attn1": {("middle", 0): second}}
    assert layer["transformer_options"]["patches_replace"]["attn2"] == {("input", 4, 1): second}
    assert given["transformer_options"]["patches_replace"] == {"attn1": {("middle", 0): first}}
    assert model_patcher.set_model_options_patch_replace({}, first, "attn1", "middle", 0) != {}


def test_functions_around_guidance_stand_in_the_order_in_which_they_came() -> None:
    given: dict[str, Any] = {}
    assert model_patcher.set_model_options_post_cfg_function(given, first) is given
    model_patcher.set_model_options_post_cfg_function(given, second, disable_cfg1_optimization=True)
    model_patcher.set_model_options_pre_cfg_function(given, first)
    assert given == {
        "sampler_post_cfg_function": [first, second],
        "sampler_pre_cfg_function": [first],
        "disable_cfg1_optimization": True,
    }


@pytest.mark.parametrize(
    "unfollowed",
    [{"context_handler": first}, {"transformer_options": {"wrappers": {"outer_sample": {"x": [first]}}}}],
)
def test_what_sampling_would_leave_out_is_refused_by_name(unfollowed: dict[str, Any]) -> None:
    with pytest.raises(options.NotOfferedInModels, match=r"puts '(context_handler|wrappers)' into a model"):
        options.refuse_unfollowed(unfollowed)
    options.refuse_unfollowed({"context_handler": None, "transformer_options": {"wrappers": {}}})
