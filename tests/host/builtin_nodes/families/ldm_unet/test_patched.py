from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from host.builtin_nodes.families.ldm_unet.denoiser import run_unet
from host.builtin_nodes.families.ldm_unet.patched import plain_attention, self_attentions
from host.builtin_nodes.guidance.perturbation import MIDDLE, SelfAttentionGuidance
from host.builtin_nodes.sampling.rules import NetworkPatches, PatchCall, PatchedCall


def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=2,
        attention_head_dim=2,
        cross_attention_dim=6,
        norm_num_groups=4,
    ).eval()


@torch.no_grad()
def run(module: UNet2DConditionModel, patches: NetworkPatches | None = None) -> Tensor:
    x, context = torch.linspace(-1, 1, 512).reshape(2, 4, 8, 8), torch.linspace(0, 1, 60).reshape(2, 5, 6)
    call = PatchCall(sigma=1.0, shape=tuple(x.shape), sides=("negative", "positive"))
    given = PatchedCall(patches=patches, call=call) if patches else None
    return run_unet(module, x, torch.tensor([3.0, 3.0]), context, patches=given)


def test_places_are_counted_as_the_original_code_counts_blocks() -> None:
    places = [layer.place for layer in self_attentions(unet())]
    down, up = [("input", 1, 0), ("input", 2, 0)], [("output", 3, 0), ("output", 4, 0), ("output", 5, 0)]
    assert places == [*down, ("middle", 0, 0), *up]


def test_a_replacement_changes_one_evaluation_and_is_undone() -> None:
    module = unet()
    before = run(module)
    changed = run(module, NetworkPatches(self_attention={MIDDLE: lambda q, k, v, call: v}))
    assert not torch.allclose(before, changed)
    assert torch.equal(run(module), before)


def test_recording_attention_leaves_the_result_as_it_is() -> None:
    module, rule = unet(), SelfAttentionGuidance(0.5, 2.0)
    recorded = run(module, NetworkPatches(self_attention={(*MIDDLE, 0): rule.record}))
    torch.testing.assert_close(recorded, run(module), atol=1e-5, rtol=0)


def test_attention_to_the_prompt_may_be_replaced_in_a_block() -> None:
    module = unet()
    seen: list[tuple[object, ...]] = []

    def plain(q: Tensor, k: Tensor, v: Tensor, call: PatchCall) -> Tensor:
        seen.append((call.place, k.shape[1]))
        return plain_attention(q, k, v, call)

    before = run(module)
    torch.testing.assert_close(run(module, NetworkPatches(cross_attention={MIDDLE: plain})), before, atol=1e-5, rtol=0)
    assert seen == [((*MIDDLE, 0), 5)]
    silent = NetworkPatches(cross_attention={MIDDLE: lambda q, k, v, call: torch.zeros_like(q)})
    assert not torch.allclose(run(module, silent), before)
    assert torch.equal(run(module), before)
