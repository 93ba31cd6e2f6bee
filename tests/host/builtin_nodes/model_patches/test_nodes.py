"""The nodes in a workflow: a tiny checkpoint sampled with each of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.model_patches import attention_nodes, nodes
from host.builtin_nodes.model_patches.attention_scale import by_dimension, by_projection
from tests.host.builtin_nodes.model_patches.sampling import sampled
from tests.support.node_context import LoneContext

PATCHES = {
    "FreeU": lambda model: nodes.free_u(model),
    "FreeU_V2": lambda model: nodes.free_u_v2(model),
    "HyperTile": lambda model: nodes.hyper_tile(model, tile_size=32),
    "TomePatchModel": lambda model: nodes.tome_patch_model(model, 0.5),
    "PatchModelAddDownscale": lambda model: nodes.patch_model_add_downscale(
        model, 1, downscale_method="bicubic", upscale_method="bislerp"
    ),
}


@pytest.mark.parametrize("name", PATCHES)
def test_each_node_changes_the_picture_and_nothing_else(name: str, context: LoneContext, parts: Any) -> None:
    model, clip, _ = parts
    before = sampled(context, model, clip)
    changed = sampled(context, PATCHES[name](model), clip)
    assert changed.isfinite().all()
    if name.startswith("FreeU"):  # this network has the same width at every level
        assert torch.equal(changed, before)
    else:
        assert not torch.equal(changed, before)
    assert torch.equal(sampled(context, model, clip), before)


def test_several_patches_work_together(context: LoneContext, parts: Any) -> None:
    model, clip, _ = parts
    for patch in PATCHES.values():
        model = patch(model)
    assert sampled(context, model, clip).isfinite().all()


@pytest.mark.parametrize(
    ("node", "layer"),
    [(attention_nodes.unet_self_attention_multiply, "attn1"), (attention_nodes.unet_cross_attention_multiply, "attn2")],
)
def test_the_weights_of_one_kind_of_attention_are_multiplied_and_come_back(
    node: Any, layer: str, context: LoneContext, parts: Any
) -> None:
    model = parts[0]
    with context.models.borrow(model) as module:
        before = {name: value.clone() for name, value in module.state_dict().items()}
    with context.models.borrow(node(context, model, q=0.5, k=1.0, v=2.0, out=3.0)) as module:
        after = {name: value.clone() for name, value in module.state_dict().items()}
    factors = {"to_q": 0.5, "to_v": 2.0, "to_out": 3.0}
    for name, value in before.items():
        factor = next((f for part, f in factors.items() if f".{layer}.{part}" in name), 1.0)
        assert torch.equal(after[name], value * factor), name
    with context.models.borrow(model) as module:
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_text_encoders_attention_is_multiplied(context: LoneContext, parts: Any) -> None:
    clip = parts[1]
    changed = attention_nodes.clip_attention_multiply(context, clip, q=1.0, k=1.0, v=0.0, out=1.0)
    with context.models.borrow(changed) as module:
        values = [value for name, value in module.named_parameters() if ".v_proj." in name]
        others = [value for name, value in module.named_parameters() if ".q_proj.weight" in name]
    assert len(values) == 4
    assert not any(value.any() for value in values)
    assert all(value.any() for value in others)


def test_factors_of_one_leave_the_model_as_it_is(context: LoneContext, parts: Any) -> None:
    assert attention_nodes.unet_self_attention_multiply(context, parts[0]) is parts[0]
    assert attention_nodes.unet_temporal_attention_multiply(context, parts[0]) is parts[0]


def test_layers_over_time_have_factors_of_their_own() -> None:
    factor = by_dimension("attn1", 2.0, 3.0)
    assert factor("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight") == 2.0
    assert factor("down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_out.0.bias") == 3.0
    assert factor("input_blocks.1.1.time_stack.0.attn1.to_out.0.bias") == 3.0
    assert factor("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight") == 1.0
    assert by_projection("attn2", {"to_q": 5.0})("x.attn1.to_q.weight") == 1.0
