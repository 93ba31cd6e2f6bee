"""Changes of a layer that a transformer's file has in one, and its module in several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.patches import read_deltas
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA, ModelHandle, PatchSet
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, flux_in_original_layout

LAYER, STEM = "double_blocks.0.img_attn.qkv", "lora_unet_double_blocks_0_img_attn_qkv"
PARTS = [f"transformer_blocks.0.attn.to_{kind}.weight" for kind in "qkv"]
ROWS, COLUMNS = 3 * FLUX.hidden, FLUX.hidden


def made(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.3


CHANGES = {
    "DoRA by columns": {
        f"{STEM}.lora_up.weight": made(ROWS, 2),
        f"{STEM}.lora_down.weight": made(2, COLUMNS),
        f"{STEM}.dora_scale": made(1, COLUMNS).abs(),
    },
    # Blocks that reach from the rows of one layer into those of the next.
    "OFT": {f"{STEM}.oft_blocks": made(4, ROWS // 4, ROWS // 4)},
    "BOFT": {f"{STEM}.oft_blocks": made(3, ROWS // 4, 4, 4)},
    "OFT of outputs by PEFT": {f"{STEM}.oft_r": made(4, ROWS // 4, ROWS // 4)},
    "OFT of inputs by PEFT": {f"{STEM}.oft_r": made(COLUMNS // 4, 4, 4), f"{STEM}.oft_s": made(ROWS, 1)},
    "IA3 of outputs": {f"{STEM}.ia3_l": made(ROWS, 1)},
    "IA3 of inputs": {f"{STEM}.ia3_l": made(1, COLUMNS)},
}


def opened(
    stored: dict[str, Tensor], change: dict[str, Tensor], folder: Path
) -> tuple[ModelManager, ModelHandle, PatchSet]:
    """A small Flux of these weights, and the change as its denoiser takes it, no key of it left over."""
    facts = {CONFIG_METADATA: json.dumps({"flux.rotary": list(FLUX.rotary)})}
    save_file(stored, folder / "flux.safetensors", facts)
    save_file(change, folder / "change.safetensors")
    settings = ModelSettings(device="cpu", dtype="fp32")
    formats = list(register_patch_formats())
    manager = ModelManager(Library([folder]), [FluxFamily()], formats, CpuDevice(), settings)
    handle = manager.open(folder / "flux.safetensors")["denoiser"]
    (patches,) = manager.read_patches(folder / "change.safetensors", [handle])
    assert patches.unmatched == ()
    return manager, handle, patches


def test_an_attention_processor_s_lora_changes_query_key_and_value_and_not_the_mlp(tmp_path: Path) -> None:
    stored, stem = flux_in_original_layout(), "single_blocks.1.processor.qkv_lora"
    change = {f"{stem}.up.weight": made(ROWS, 2), f"{stem}.down.weight": made(2, COLUMNS)}
    manager, handle, patches = opened(stored, change, tmp_path)

    weights = manager.weights(handle.with_patches(patches, 0.5))
    block = "single_transformer_blocks.1"
    found = torch.cat([weights[f"{block}.attn.to_{kind}.weight"] for kind in "qkv"])
    whole = stored["single_blocks.1.linear1.weight"]
    expected = whole[:ROWS] + 0.5 * change[f"{stem}.up.weight"] @ change[f"{stem}.down.weight"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert torch.equal(weights[f"{block}.proj_mlp.weight"], whole[ROWS:])


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_that_is_no_sum_of_rows_is_that_of_the_whole_layer(kind: str, tmp_path: Path) -> None:
    stored = flux_in_original_layout()
    manager, handle, patches = opened(stored, CHANGES[kind], tmp_path)

    delta = read_deltas(register_patch_formats(), CHANGES[kind], {STEM: LAYER})[0][LAYER]
    whole = stored[f"{LAYER}.weight"]
    expected = delta.apply(whole.clone(), whole, 0.7)
    weights = manager.weights(handle.with_patches(patches, 0.7))
    found = torch.cat([weights[name] for name in PARTS])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(found, whole)

    with manager.borrow(handle.with_patches(patches, 0.7)) as module:
        placed = torch.cat([module.get_parameter(name) for name in PARTS])
    torch.testing.assert_close(placed, expected, rtol=0, atol=1e-5)
    with manager.borrow(handle) as module:
        assert torch.equal(torch.cat([module.get_parameter(name) for name in PARTS]), whole)
