"""How transformers are called: sizes, guidance, further channels, blocks left out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.sd3.denoiser import sd3_denoiser
from host.builtin_nodes.sampling.errors import UnsupportedPatches
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall, PatchedCall
from sdk import NodeError
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, SD3, inputs, small_flux, small_sd3

LATENT = torch.randn(2, 16, 4, 6)


def flux(in_channels: int = 16, *, guidance: bool = True) -> Any:
    return flux_denoiser(in_channels, FLUX.pooled_channels, guidance=guidance)


def sd3(in_channels: int = 16) -> Any:
    return sd3_denoiser(in_channels, SD3.pooled_channels, SD3.positions, SD3.patch)


def patched(**kinds: Any) -> PatchedCall:
    return PatchedCall(
        patches=NetworkPatches(**kinds), call=PatchCall(sigma=1.0, shape=(1, 16, 4, 6), sides=("positive",))
    )


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 7), (3, 3)])
def test_what_comes_out_has_the_size_of_what_went_in(height: int, width: int) -> None:
    given = inputs(height, width, batch=2)
    for adapter, module in ((flux(), small_flux()), (sd3(), small_sd3())):
        assert adapter.forward(module, **given).shape == given["x"].shape


def test_sides_that_are_no_multiple_of_a_patch_wrap_around() -> None:
    module, given = small_sd3(), inputs(3, 4)
    wrapped = torch.cat([given["x"], given["x"][..., :1, :]], dim=-2)
    expected = sd3().forward(module, **{**given, "x": wrapped})[..., :3, :]
    torch.testing.assert_close(sd3().forward(module, **given), expected)


def test_flux_is_told_3_5_unless_the_prompt_says_otherwise_or_nothing_at_all() -> None:
    assert flux().inputs({}, LATENT, None)["guidance"].tolist() == [3.5]
    assert flux().inputs({"guidance": 2.0}, LATENT, None)["guidance"].tolist() == [2.0]
    assert "guidance" not in flux().inputs({"guidance": None}, LATENT, None)
    assert "guidance" not in flux(guidance=False).inputs({"guidance": 2.0}, LATENT, None)


def test_a_model_with_guidance_runs_without_it_and_differs() -> None:
    module, given = small_flux(), inputs()
    without = flux().forward(module, **given)
    told = flux().forward(module, **given, guidance=torch.tensor([3.5]))
    assert torch.isfinite(without).all()
    assert not torch.allclose(without, told)


def test_a_prompt_without_a_pooled_vector_counts_as_zeros() -> None:
    for adapter in (flux(), sd3()):
        assert torch.equal(adapter.inputs({}, LATENT, None)["vector"], torch.zeros(1, 6))
        assert adapter.inputs({"pooled_output": torch.ones(1, 6)}, LATENT, None)["vector"].sum() == 6


def test_a_filling_flux_sees_the_image_in_the_network_s_space_and_every_pixel_of_the_mask() -> None:
    image, mask = torch.randn(2, 16, 4, 6), torch.zeros(1, 32, 48)
    mask[0, 0, 1] = 1.0
    concat = flux(96).inputs({"concat_latent_image": image, "concat_mask": mask}, LATENT, None)["concat"]

    assert concat.shape == (2, 80, 4, 6)
    torch.testing.assert_close(concat[:, :16], (image - 0.1159) * 0.3611)
    assert concat[:, 16:].nonzero().tolist() == [[0, 1, 0, 0], [1, 1, 0, 0]]


def test_a_filling_flux_without_a_mask_paints_everything() -> None:
    concat = flux(96).inputs({}, LATENT, None)["concat"]
    assert torch.equal(concat[:, 16:], torch.ones(2, 64, 4, 6))
    assert torch.equal(flux(96).inputs({}, LATENT, torch.zeros(1, 32, 48))["concat"][:, 16:], torch.zeros(2, 64, 4, 6))


def test_a_flux_for_depth_or_edges_sees_an_image_and_no_mask() -> None:
    adapter, module, given = flux(32), small_flux(in_channels=32), inputs()
    concat = adapter.inputs({}, given["x"], None)["concat"]
    assert concat.shape == given["x"].shape
    assert adapter.forward(module, **given, concat=concat).shape == given["x"].shape


@pytest.mark.parametrize(
    ("kind", "attribute"), [("double_block", "transformer_blocks"), ("single_block", "single_transformer_blocks")]
)
def test_blocks_can_be_left_out_of_an_evaluation_and_are_back_afterwards(kind: str, attribute: str) -> None:
    module, given = small_flux(), inputs()
    whole, blocks = flux().forward(module, **given), list(getattr(module, attribute))
    less = flux().forward(module, **given, patches=patched(skipped=frozenset({(kind, 1)})))

    assert not torch.allclose(whole, less)
    assert list(getattr(module, attribute)) == blocks
    assert torch.equal(flux().forward(module, **given), whole)


def test_patches_that_only_unets_follow_are_refused_by_name() -> None:
    replacing = patched(self_attention={("middle", 0): lambda q, k, v, call: v})
    for adapter, module in ((flux(), small_flux()), (sd3(), small_sd3())):
        with pytest.raises(UnsupportedPatches):
            adapter.forward(module, **inputs(), patches=replacing)


def test_a_latent_larger_than_the_positions_a_model_knows_is_refused_with_the_largest_size() -> None:
    with pytest.raises(NodeError, match=r"at most 8x8.*at most 64x64 pixels"):
        sd3().forward(small_sd3(), **inputs(8, 10))
