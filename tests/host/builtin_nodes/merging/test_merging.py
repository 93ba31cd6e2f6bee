from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.merging.block_nodes import register_nodes
from host.builtin_nodes.merging.errors import NothingInCommon
from host.builtin_nodes.merging.nodes import (
    clip_merge_simple,
    model_merge_add,
    model_merge_simple,
    model_merge_subtract,
)
from sdk import ModelHandle
from tests.support.node_context import LoneContext


@pytest.fixture
def one(context: LoneContext, checkpoints: Path) -> Mapping[str, ModelHandle]:
    found: Mapping[str, ModelHandle] = context.models.open(checkpoints / "one.safetensors")
    return found


@pytest.fixture
def two(context: LoneContext, checkpoints: Path) -> Mapping[str, ModelHandle]:
    found: Mapping[str, ModelHandle] = context.models.open(checkpoints / "two.safetensors")
    return found


def weights_of(context: LoneContext, handle: ModelHandle) -> dict[str, Tensor]:
    with context.models.borrow(handle) as module:
        return {name: value.detach().clone() for name, value in module.state_dict().items()}


def test_a_mix_is_the_weighted_sum_of_both(context: LoneContext, one: Any, two: Any) -> None:
    first, second = (weights_of(context, parts["denoiser"]) for parts in (one, two))
    mixed = weights_of(context, model_merge_simple(one["denoiser"], two["denoiser"], context, 0.25))
    for name, value in mixed.items():
        torch.testing.assert_close(value, 0.25 * first[name] + 0.75 * second[name], rtol=1e-6, atol=1e-6)


def test_a_merge_leaves_no_trace_in_either_model(context: LoneContext, one: Any, two: Any) -> None:
    before = [weights_of(context, parts["denoiser"]) for parts in (one, two)]
    weights_of(context, model_merge_simple(one["denoiser"], two["denoiser"], context, 0.5))
    for parts, values in zip((one, two), before, strict=True):
        after = weights_of(context, parts["denoiser"])
        assert all(torch.equal(after[name], value) for name, value in values.items())


def test_only_the_first_model_is_placed(context: LoneContext, one: Any, two: Any) -> None:
    weights_of(context, model_merge_simple(one["denoiser"], two["denoiser"], context, 0.5))
    assert [Path(held.source).name for held in context.models.report()] == ["one.safetensors"]


def test_the_whole_share_of_the_first_is_the_first_itself(context: LoneContext, one: Any, two: Any) -> None:
    assert model_merge_simple(one["denoiser"], two["denoiser"], context, 1.0) is one["denoiser"]


def test_a_difference_added_to_its_origin_gives_the_other_model(context: LoneContext, one: Any, two: Any) -> None:
    difference = model_merge_subtract(two["denoiser"], one["denoiser"], context, 1.0)
    restored = weights_of(context, model_merge_add(one["denoiser"], difference, context))
    for name, value in weights_of(context, two["denoiser"]).items():
        torch.testing.assert_close(restored[name], value, rtol=0, atol=1e-6)


def test_nothing_of_a_difference_is_nothing(context: LoneContext, one: Any, two: Any) -> None:
    nothing = model_merge_subtract(one["denoiser"], two["denoiser"], context, 0.0)
    assert not any(torch.count_nonzero(value) for value in weights_of(context, nothing).values())


def test_merges_of_merges_count_what_came_before(context: LoneContext, one: Any, two: Any) -> None:
    half = model_merge_simple(one["denoiser"], two["denoiser"], context, 0.5)
    again = weights_of(context, model_merge_simple(half, one["denoiser"], context, 0.5))
    expected = weights_of(context, model_merge_simple(one["denoiser"], two["denoiser"], context, 0.75))
    for name, value in expected.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=1e-5)


def test_equal_merges_have_equal_keys_and_others_do_not(context: LoneContext, one: Any, two: Any) -> None:
    first, same, other = (
        model_merge_simple(one["denoiser"], two["denoiser"], context, ratio).patch_key for ratio in (0.5, 0.5, 0.6)
    )
    assert first == same
    assert first != other


def test_text_encoders_are_merged_the_same_way(context: LoneContext, one: Any, two: Any) -> None:
    first, second = (weights_of(context, parts["text_encoder"]) for parts in (one, two))
    mixed = weights_of(context, clip_merge_simple(one["text_encoder"], two["text_encoder"], context, 0.5))
    changed = [name for name in mixed if not torch.equal(mixed[name], first[name])]
    assert changed
    for name in changed:
        torch.testing.assert_close(mixed[name], (first[name] + second[name]) / 2, rtol=0, atol=1e-5)


def test_models_without_a_weight_in_common_are_refused(context: LoneContext, one: Any) -> None:
    with pytest.raises(NothingInCommon):
        model_merge_simple(one["denoiser"], one["vae"], context, 0.5)


def test_weights_of_another_shape_stay_and_are_named(context: LoneContext, one: Any) -> None:
    with torch.device("cpu"):
        partly = torch.nn.Module()
    partly.conv_in = torch.nn.Conv2d(4, 32, 3, padding=1)
    handle = context.models.adopt("test", partly)
    merged = model_merge_simple(one["denoiser"], handle, context, 0.0)
    found, before = weights_of(context, merged), weights_of(context, one["denoiser"])
    assert torch.equal(found["conv_in.weight"], partly.conv_in.weight)
    assert torch.equal(found["conv_out.weight"], before["conv_out.weight"])
    assert any("weights are not merged" in str(said) for said in context.said)


NODES = {node.id: node for node in register_nodes()}


def merged_by_blocks(context: LoneContext, name: str, one: Any, two: Any, **ratios: float) -> dict[str, Tensor]:
    given = {item.name: item.option("default") for item in NODES[name].inputs if item.type == "FLOAT"}
    inputs = {"model1": one["denoiser"], "model2": two["denoiser"], **given, **ratios}
    return weights_of(context, NODES[name].run(None, inputs, context).outputs[0])


def test_each_part_of_a_network_has_a_share_of_its_own(context: LoneContext, one: Any, two: Any) -> None:
    first, second = (weights_of(context, parts["denoiser"]) for parts in (one, two))
    mixed = merged_by_blocks(context, "ModelMergeBlocks", one, two, input=1.0, middle=0.0, out=1.0)
    for name, value in mixed.items():
        expected = second if name.startswith("mid_block") else first
        assert torch.equal(value, expected[name]), name


def test_what_belongs_to_no_part_goes_with_the_first_share(context: LoneContext, one: Any, two: Any) -> None:
    second = weights_of(context, two["denoiser"])
    mixed = merged_by_blocks(context, "ModelMergeBlocks", one, two, input=0.0)
    assert torch.equal(mixed["time_embedding.linear_1.weight"], second["time_embedding.linear_1.weight"])
    assert not torch.equal(mixed["conv_out.weight"], second["conv_out.weight"])


def test_blocks_are_counted_as_the_original_code_counts_them(context: LoneContext, one: Any, two: Any) -> None:
    first = weights_of(context, one["denoiser"])
    mixed = merged_by_blocks(context, "ModelMergeSD1", one, two, **{"input_blocks.1.": 0.0, "output_blocks.1.": 0.0})
    changed = {name.rpartition(".")[0] for name in mixed if not torch.equal(mixed[name], first[name])}
    assert changed
    starts = ("down_blocks.0.resnets.0", "down_blocks.0.attentions.0", "up_blocks.0.resnets.1", "up_blocks.0.ups")
    assert all(name.startswith(starts) for name in changed)
