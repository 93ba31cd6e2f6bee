"""The nodes in a workflow: a tiny checkpoint sampled as they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.model_patches import compute_nodes, nodes
from sdk import NodeError
from sdk.models import RUN_EAGERLY
from tests.host.builtin_nodes.model_patches import sampling
from tests.support.node_context import LoneContext


def sampled(context: LoneContext, model: Any, clip: Any, size: int = 64) -> Tensor:
    with torch.inference_mode():
        return sampling.sampled(context, model, clip, size)


def test_half_precision_gives_nearly_the_same_picture_beside_the_exact_model(context: LoneContext, parts: Any) -> None:
    model, clip, _ = parts
    before = sampled(context, model, clip)
    coarse = compute_nodes.model_compute_dtype(model, dtype="bf16")
    with context.models.borrow(coarse) as module:
        assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    changed = sampled(context, coarse, clip)
    assert 0 < (changed - before).abs().max() < 0.1 * before.abs().max()
    back = compute_nodes.model_compute_dtype(coarse, dtype="default")
    assert torch.equal(sampled(context, back, clip), before)


def test_an_adopted_module_is_not_computed_in_another_type(context: LoneContext) -> None:
    module = torch.nn.Linear(2, 2)
    handle = compute_nodes.model_compute_dtype(context.models.adopt("a pack", module), dtype="fp16")
    with pytest.raises(Exception, match="has a dtype of its own"), context.models.borrow(handle):
        pass


def test_compiled_code_is_kept_away_while_other_nodes_change_the_network_inside(
    context: LoneContext, parts: Any
) -> None:
    model, clip, _ = parts
    seen: list[bool] = []
    with context.models.borrow(model) as module:
        hook = module.register_forward_pre_hook(lambda module, _: seen.append(getattr(module, RUN_EAGERLY, False)))
        sampled(context, model, clip)
        assert not any(seen)
        seen.clear()
        sampled(context, nodes.hyper_tile(model, tile_size=32), clip)
        assert all(seen)
        hook.remove()
        assert not hasattr(module, RUN_EAGERLY)


def test_cuda_graphs_on_the_cpu_are_refused_with_what_to_do(context: LoneContext, parts: Any) -> None:
    model, clip, _ = parts
    compiled = compute_nodes.torch_compile_model(model, backend="cudagraphs")
    with pytest.raises(NodeError, match="use inductor"):
        sampled(context, compiled, clip)
