from __future__ import annotations

import pytest

from host.builtin_nodes.families.ldm_unet.names import original_names, without_numbers
from host.builtin_nodes.families.refusals import LayoutError
from tests.host.builtin_nodes.families.real_headers import real_files

PREFIX = "model.diffusion_model."


def _keys(kind: str) -> list[str]:
    return [key.removeprefix(PREFIX) for key in real_files()[kind]["tensors"] if key.startswith(PREFIX)]


@pytest.mark.parametrize("kind", ["sd15_full", "sd21_base", "sdxl_base", "sdxl_refiner"])
def test_every_key_of_a_real_unet_gets_a_name_of_its_own(kind: str) -> None:
    keys = _keys(kind)
    assert sorted(original_names(keys).values()) == sorted(keys)


@pytest.mark.parametrize(("original", "diffusers"), [("sd15_full", "sd15_unet_diffusers")])
def test_names_are_those_of_the_same_unet_in_diffusers_layout(original: str, diffusers: str) -> None:
    assert set(original_names(_keys(original))) == set(real_files()[diffusers]["tensors"])


@pytest.mark.parametrize(
    "key", ["double_blocks.0.weight", "input_blocks.1.0.stranger.weight", "middle_block.3.in.weight"]
)
def test_a_strange_key_is_refused(key: str) -> None:
    with pytest.raises(LayoutError, match="block"):
        original_names([*_keys("sd15_full"), key])


@pytest.mark.parametrize("key", ["out.2.weight\nout.2.weight", "out.2.weight\n", "\ud800"])
def test_names_that_no_text_holds_as_one_line_are_refused(key: str) -> None:
    with pytest.raises(LayoutError):
        without_numbers(["out.2.bias", key])
