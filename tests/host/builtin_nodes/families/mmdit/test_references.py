"""Latents that Flux looks at besides the prompt."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.flux.tokens import cells_of, positions, tokens, with_references
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, inputs, small_flux

LATENT = torch.zeros(1, 16, 4, 6)
CPU = torch.device("cpu")


def flux(in_channels: int = 16) -> Any:
    return flux_denoiser(in_channels, FLUX.pooled_channels, guidance=True)


def references(*sizes: tuple[int, int], method: str | None = None) -> dict[str, torch.Tensor]:
    chosen = {} if method is None else {"reference_latents_method": method}
    shown = [torch.randn(1, 16, *size) for size in sizes]
    found = flux().inputs({"reference_latents": shown, **chosen}, LATENT, None)
    return {name: value for name, value in found.items() if name.startswith("reference")}


def corners(*sizes: tuple[int, int], method: str) -> list[list[float]]:
    """Number, row and column of the first token of each reference."""
    shown = [torch.zeros(1, 16, *size) for size in sizes]
    _, found = with_references(LATENT, shown, method)
    start, first = 6, []
    for height, width in sizes:
        first.append(found[start].tolist())
        start += -(-height // 2) * -(-width // 2)
    assert start == len(found)
    return first


def test_a_reference_is_shown_in_the_network_s_space_behind_the_latent() -> None:
    """As diffusers' pipeline for Kontext has it: tokens at the same positions with the number 1."""
    module, given = small_flux(), inputs(4, 6, batch=2)
    reference = torch.randn(1, 16, 2, 4)
    shown = flux().inputs({"reference_latents": [reference]}, LATENT, None)["reference_0_offset"]
    torch.testing.assert_close(shown, (reference - 0.1159) * 0.3611)
    places = positions(1, 2, CPU)
    places[:, 0] = 1
    expected = module(
        torch.cat([tokens(given["x"]), tokens(shown).repeat(2, 1, 1)], dim=1),
        encoder_hidden_states=given["context"],
        pooled_projections=given["vector"],
        timestep=given["timestep"],
        img_ids=torch.cat([positions(2, 3, CPU), places]),
        txt_ids=torch.zeros(5, 3),
        return_dict=False,
    )[0]
    found = flux().forward(module, **given, reference_0_offset=shown.repeat(2, 1, 1, 1))
    torch.testing.assert_close(found, cells_of(expected, 4, 6))
    assert not torch.allclose(found, flux().forward(module, **given))


def test_several_references_lie_beside_each_other_where_they_stay_nearest_to_a_square() -> None:
    assert corners((4, 6), (4, 2), (8, 8), method="offset") == [[1, 0, 0], [1, 2, 0], [1, 0, 3]]


def test_several_references_can_have_numbers_instead() -> None:
    assert corners((4, 6), (4, 2), method="index") == [[1, 0, 0], [2, 0, 0]]


@pytest.mark.parametrize("method", ["uxo/uno", "uxo"])
def test_several_references_can_follow_the_image_s_diagonal(method: str) -> None:
    assert corners((4, 6), (4, 2), method=method) == [[0, 2, 3], [0, 4, 6]]


def test_sides_that_are_no_multiple_of_a_patch_wrap_around() -> None:
    odd = torch.randn(1, 16, 3, 3)
    shown, found = with_references(LATENT, [odd], "offset")
    assert shown.shape[1] == len(found) == 6 + 4
    assert torch.equal(shown[:, 6:], tokens(torch.nn.functional.pad(odd, (0, 1, 0, 1), mode="circular")))


def test_prompts_with_another_method_have_inputs_of_other_names() -> None:
    assert references((2, 2), (4, 4)).keys() == {"reference_0_offset", "reference_1_offset"}
    assert references((2, 2), method="uxo/uno").keys() == {"reference_0_uxo/uno"}
    module, given = small_flux(), inputs()
    results = [flux().forward(module, **given, **references((2, 2), method=method)) for method in ("offset", "index")]
    assert all(result.shape == given["x"].shape for result in results)


def test_attention_to_a_style_goes_with_references() -> None:
    module, given, mask = small_flux(), inputs(), torch.zeros(1, 6, 6)
    mask[:, :, 2] = -1.0
    found = flux().forward(module, **given, **references((2, 2)), attention=mask)
    assert found.shape == given["x"].shape


def test_a_filling_flux_refuses_references() -> None:
    given = inputs()
    with pytest.raises(UnsupportedConditioning, match="reference_latents"):
        flux(32).forward(small_flux(in_channels=32), **given, concat=given["x"], **references((2, 2)))
