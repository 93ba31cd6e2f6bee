from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.controlnet.errors import UnsupportedControl
from host.builtin_nodes.controlnet.residuals import INPUT, MIDDLE, SKIP, ControlResiduals
from host.builtin_nodes.families.ldm_unet.blocks import input_blocks, output_blocks
from host.builtin_nodes.sampling.errors import UnsupportedPatches
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall
from tests.host.builtin_nodes.model_patches.small_unet import WIDTH, evaluate, sample, small_unet

UNCHANGED = NetworkPatches(
    after_input=(lambda hidden, call: hidden,),
    after_skip=(lambda hidden, call: hidden,),
    after_middle=(lambda hidden, call: hidden,),
    before_output=(lambda hidden, skip, call: (hidden, skip),),
)


def test_blocks_are_counted_as_the_original_code_counts_them() -> None:
    unet = small_unet()
    down, up = list(input_blocks(unet)), list(output_blocks(unet))
    assert [block.place for block in down] == [("input", index) for index in range(1, 12)]
    assert [block.place for block in up] == [("output", index) for index in range(12)]
    assert [block.place[1] for block in down if block.resampling] == [3, 6, 9]
    assert [block.place[1] for block in up if block.resampling] == [2, 5, 8]
    assert [block.place[1] for block in down if block.transformer] == [1, 2, 4, 5, 7, 8]
    assert [block.place[1] for block in up if block.transformer] == [3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_blocks_bear_the_names_of_their_modules() -> None:
    unet = small_unet()
    for block in (*input_blocks(unet), *output_blocks(unet)):
        assert unet.get_submodule(block.name) is (block.residual or block.resampling)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 16), (18, 13)])
def test_patches_that_change_nothing_give_the_same_numbers(height: int, width: int) -> None:
    unet, x = small_unet(), sample(height, width)
    assert torch.equal(evaluate(unet, UNCHANGED, x=x), evaluate(unet, x=x))


def test_a_network_with_nothing_in_the_middle_gives_the_same_numbers_too() -> None:
    unet, x = small_unet(mid_block_type=None), sample(16, 16)
    assert torch.equal(evaluate(unet, UNCHANGED, x=x), evaluate(unet, x=x))


def test_control_and_vector_conditioning_go_their_way_block_by_block_too() -> None:
    unet = small_unet(class_embed_type="projection", projection_class_embeddings_input_dim=10)
    vector = torch.linspace(0, 1, 20).reshape(2, 10)
    skips: list[Tensor] = []
    evaluate(unet, NetworkPatches(after_input=(lambda hidden, call: skips.append(hidden) or hidden,)), vector=vector)
    residuals = [torch.full_like(skip, 0.1 * index) for index, skip in enumerate(skips)]
    control = ControlResiduals({SKIP: residuals, MIDDLE: [torch.ones_like(skips[-1])]})
    plain = evaluate(unet, control=control, vector=vector)
    assert torch.equal(evaluate(unet, UNCHANGED, control=control, vector=vector), plain)
    assert not torch.allclose(plain, evaluate(unet, vector=vector))


@pytest.mark.parametrize("kind", [INPUT, SKIP, MIDDLE])
def test_what_a_control_network_of_another_shape_adds_is_refused(kind: str) -> None:
    control = ControlResiduals({INPUT: [None], kind: [torch.zeros(1, 7, 3, 3)]})
    with pytest.raises(UnsupportedControl, match=r"where it adds \[7, 3, 3\]"):
        evaluate(small_unet(), UNCHANGED, control=control)


def test_an_adapter_for_a_network_with_more_blocks_is_refused() -> None:
    with pytest.raises(UnsupportedControl, match="12 input blocks, as it adds to 13"):
        evaluate(small_unet(), control=ControlResiduals({INPUT: [None] * 13}))


def test_a_patch_is_told_where_it_is() -> None:
    calls: list[PatchCall] = []

    def note(hidden: Tensor, call: PatchCall) -> Tensor:
        calls.append(call)
        return hidden

    evaluate(small_unet(), NetworkPatches(after_input=(note,), after_middle=(note,)), sigma=3.5)
    assert [call.place for call in calls] == [*(("input", index) for index in range(12)), ("middle", 0)]
    assert (calls[0].name, calls[1].name, calls[-1].name) == ("conv_in", "down_blocks.0.resnets.0", "mid_block")
    assert {(call.sigma, call.model_channels, call.shape) for call in calls} == {(3.5, WIDTH, (2, 4, 16, 16))}
    assert [call.place for call in calls if call.is_at("down_blocks.1")] == [("input", 4), ("input", 5), ("input", 6)]
    assert [call.name for call in calls if call.is_at(("middle",))] == ["mid_block"]


def test_what_changes_after_the_skip_leaves_the_skip_connection_alone() -> None:
    joined: dict[int, Tensor] = {}

    def note(hidden: Tensor, skip: Tensor, call: PatchCall) -> tuple[Tensor, Tensor]:
        joined[int(call.place[1])] = skip
        return hidden, skip

    def doubled(hidden: Tensor, call: PatchCall) -> Tensor:
        return hidden * 2 if call.is_at(("input", 4)) else hidden

    unet = small_unet()
    evaluate(unet, NetworkPatches(before_output=(note,)))
    before = dict(joined)
    evaluate(unet, NetworkPatches(before_output=(note,), after_skip=(doubled,)))
    assert torch.equal(joined[7], before[7])  # of input block 4
    assert not torch.allclose(joined[6], before[6])
    evaluate(unet, NetworkPatches(before_output=(note,), after_input=(doubled,)))
    assert torch.equal(joined[7], before[7] * 2)


def test_afterwards_the_network_is_as_it_was_also_when_a_patch_fails() -> None:
    unet = small_unet()
    before = evaluate(unet)

    def fail(hidden: Tensor, call: PatchCall) -> Tensor:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        evaluate(unet, NetworkPatches(after_middle=(fail,), around_self=(lambda a, q, k, v, call: a(q, k, v),)))
    assert "forward" not in vars(unet)
    assert torch.equal(evaluate(unet), before)


def test_blocks_that_only_transformers_have_are_refused() -> None:
    with pytest.raises(UnsupportedPatches, match="skipped"):
        evaluate(small_unet(), NetworkPatches(skipped=frozenset({("double_block", 3)})))
