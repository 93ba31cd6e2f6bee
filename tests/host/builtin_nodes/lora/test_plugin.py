"""All formats through the model manager: weights change, and change back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.lora.plugin import register_patch_formats
from host.models.errors import PatchMismatch
from host.models.manager import ModelManager
from sdk.models import ModelHandle, PatchSet
from tests.host.builtin_nodes.lora.small_model import CHANNELS, drawn, lora_layer, small_manager, weights_of

QUERY = "block.attn1.to_q.weight"


def patch_set(manager: ModelManager, handle: ModelHandle, path: Path, tensors: dict[str, Tensor]) -> PatchSet:
    save_file(tensors, path)
    (found,) = manager.read_patches(path, [handle])
    return found


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_formats_are_registered_and_importable_without_torch() -> None:
    script = (
        "import sys; from host.builtin_nodes.lora import names, nodes, plugin; "
        "print([f.name for f in plugin.register_patch_formats()], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (
        done.stdout.strip() == "['LoRA', 'LoHa', 'LoKr', 'GLoRA', 'OFT', 'OFT of PEFT', 'IA3', 'full difference'] False"
    )


@pytest.mark.parametrize(
    ("tensors", "weight"),
    [
        (lora_layer("lora_unet_block_attn1_to_q", CHANNELS, CHANNELS), QUERY),
        ({f"unet.block.attn1.processor.to_q_lora.{end}.weight": drawn(6, 6) for end in ("up", "down")}, QUERY),
        ({f"lora_unet_out.hada_w{n}_{side}": drawn(6, 6, seed=n) for n in (1, 2) for side in "ab"}, "out.weight"),
        ({"lycoris_out.lokr_w1": drawn(2, 3), "lycoris_out.lokr_w2": drawn(3, 2)}, "out.weight"),
        ({**lora_layer("unet.out", CHANNELS, CHANNELS), "unet.out.dora_scale": torch.ones(6, 1)}, "out.weight"),
        ({"diffusion_model.conv_in.diff": drawn(6, 6, 3, 3)}, "conv_in.weight"),
        ({"diffusion_model.conv_in.diff_b": drawn(6)}, "conv_in.bias"),
        ({"base_model.model.out.oft_R.weight": drawn(2, 3)}, "out.weight"),
        ({"base_model.model.out.boft_R": drawn(1, 2, 3, 3), "base_model.model.out.boft_s": drawn(6, 1)}, "out.weight"),
        ({"base_model.model.out.ia3_l": drawn(1, 6)}, "out.weight"),
        ({"lycoris_out.weight": drawn(6), "lycoris_out.on_input": torch.tensor(0)}, "out.weight"),
    ],
    ids=["LoRA", "diffusers", "LoHa", "LoKr", "DoRA", "difference", "bias", "OFT", "BOFT", "IA3", "LyCORIS"],
)
def test_only_the_weight_that_is_meant_changes_and_changes_back_exactly(
    tensors: dict[str, Tensor], weight: str, tmp_path: Path
) -> None:
    manager, handles = small_manager(tmp_path)
    patches = patch_set(manager, handles["denoiser"], tmp_path / "change.safetensors", tensors)
    before = weights_of(manager, handles["denoiser"])

    assert patches.unmatched == ()
    assert changed(before, weights_of(manager, handles["denoiser"].with_patches(patches, 0.7))) == {weight}
    assert changed(before, weights_of(manager, handles["denoiser"])) == set()


def test_a_broken_configuration_beside_a_file_that_has_no_use_for_it_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("<html>")
    manager, handles = small_manager(tmp_path)
    layer = lora_layer("lora_unet_out", CHANNELS, CHANNELS)
    patches = patch_set(manager, handles["denoiser"], tmp_path / "change.safetensors", layer)
    assert patches.deltas.keys() == {"out.weight"}


def test_another_strength_rebuilds_the_layers_it_touches_and_no_others(tmp_path: Path) -> None:
    manager, handles = small_manager(tmp_path)
    handle = handles["denoiser"]
    query = patch_set(
        manager, handle, tmp_path / "a.safetensors", lora_layer("lora_unet_block_attn1_to_q", CHANNELS, CHANNELS)
    )
    out = patch_set(manager, handle, tmp_path / "b.safetensors", lora_layer("lora_unet_out", CHANNELS, CHANNELS))
    weights_of(manager, handle.with_patches(query, 0.5).with_patches(out, 0.5))
    counted = manager.counters

    weights_of(manager, handle.with_patches(query, 0.5).with_patches(out, 0.25))
    assert manager.counters.layers_patched - counted.layers_patched == 1
    assert manager.counters.layers_restored == counted.layers_restored

    weights_of(manager, handle.with_patches(query, 0.5).with_patches(out, 0.25))
    assert manager.counters.layers_patched - counted.layers_patched == 1


def test_several_files_and_stems_for_one_weight_add_up(tmp_path: Path) -> None:
    manager, handles = small_manager(tmp_path)
    handle = handles["denoiser"]
    first = {**lora_layer("lora_unet_out", 6, 6), "unet.out.diff": drawn(6, 6, seed=5)}
    one = patch_set(manager, handle, tmp_path / "a.safetensors", first)
    two = patch_set(manager, handle, tmp_path / "b.safetensors", lora_layer("unet.out", 6, 6, seed=7))
    before = weights_of(manager, handle)["out.weight"]

    def product(tensors: dict[str, Tensor], stem: str) -> Tensor:
        return tensors[f"{stem}.lora_up.weight"] @ tensors[f"{stem}.lora_down.weight"] / 2

    expected = before + 0.5 * (product(first, "lora_unet_out") + first["unet.out.diff"])
    expected = expected - product(lora_layer("unet.out", 6, 6, seed=7), "unet.out")
    found = weights_of(manager, handle.with_patches(one, 0.5).with_patches(two, -1.0))["out.weight"]
    torch.testing.assert_close(found, expected)


def test_a_change_made_for_a_model_of_another_width_names_file_weight_and_shapes(tmp_path: Path) -> None:
    manager, handles = small_manager(tmp_path)
    patches = patch_set(manager, handles["denoiser"], tmp_path / "wide.safetensors", lora_layer("unet.out", 12, 6))

    with pytest.raises(PatchMismatch, match=r"out\.weight.*\[12, 6\] does not fit a weight of shape \[6, 6\]"):
        weights_of(manager, handles["denoiser"].with_patches(patches, 1.0))


def test_every_format_has_a_name_of_its_own() -> None:
    names = [format_.name for format_ in register_patch_formats()]

    assert len(names) == len(set(names)) == 8
