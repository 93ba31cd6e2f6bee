from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import PatchMismatch
from host.models.residency.devices import CpuDevice
from sdk.models import PatchSet
from tests.host.models.doubles import FakeDevice, bit_equal, handle_of, make_manager, patch_set, state, write_net


def test_patches_are_exact_and_undone_exactly(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    with manager.borrow(handle) as module:
        before = state(module)
    amount = torch.randn(8, 8)
    with manager.borrow(handle.with_patches(patch_set(first__weight=amount), 0.3)) as module:
        assert torch.equal(module.first.weight, before["first.weight"] + 0.3 * amount)
        assert manager.report()[0].patched_layers == 1
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)


@pytest.mark.parametrize("device", [CpuDevice(), FakeDevice(10**6)])
@pytest.mark.parametrize("dtype", ["auto", "fp16", "bf16"])
@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.float8_e4m3fn])
def test_a_hundred_changes_of_patches_leave_no_trace(
    device: Any, dtype: str, stored: torch.dtype, tmp_path: Path
) -> None:
    write_net(tmp_path / "m.safetensors", dtype=stored)
    manager = make_manager(device, dtype=dtype)
    handle = handle_of(manager, tmp_path / "m.safetensors")
    with manager.borrow(handle) as module:
        before = state(module)
    sets = [patch_set("a", first__weight=torch.randn(8, 8)), patch_set("b", first__weight=torch.randn(8, 8))]
    for turn in range(100):
        with manager.borrow(handle.with_patches(sets[turn % 2], turn / 7).with_patches(sets[0], -1.0)) as module:
            assert not bit_equal(state(module), before)
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)


def test_the_order_in_which_patches_came_and_went_does_not_matter(path: Path) -> None:
    one, two = patch_set("one", first__weight=torch.randn(8, 8)), patch_set("two", first__weight=torch.randn(8, 8))
    manager, fresh = make_manager(), make_manager()
    handle = handle_of(manager, path)
    wanted = handle.with_patches(one, 0.7).with_patches(two, -0.2)
    for patched in (handle.with_patches(two, 1.0), handle.with_patches(one, 0.1), wanted):
        with manager.borrow(patched) as module:
            result = state(module)
    handle_of(fresh, path)
    with fresh.borrow(wanted) as module:
        assert bit_equal(state(module), result)


def test_a_changed_strength_reloads_nothing_and_touches_only_its_layers(path: Path) -> None:
    manager = make_manager(dtype="fp16")
    handle = handle_of(manager, path)
    both = patch_set("both", first__weight=torch.ones(8, 8), norm__bias=torch.ones(8))
    one = patch_set("one", first__bias=torch.ones(8))
    with manager.borrow(handle.with_patches(both, 1.0).with_patches(one, 1.0)):
        before = manager.counters
    assert (before.loads, before.layers_patched) == (1, 3)
    with manager.borrow(handle.with_patches(both, 1.0).with_patches(one, 0.5)):
        after = manager.counters
    assert (after.loads, after.bytes_loaded) == (before.loads, before.bytes_loaded)
    assert after.layers_patched - before.layers_patched == 1
    assert after.bytes_patched - before.bytes_patched == 8 * 2
    assert after.layers_restored == 0
    with manager.borrow(handle.with_patches(both, 1.0)):
        assert manager.counters.layers_restored == 1
        assert manager.counters.layers_patched == after.layers_patched
    assert manager.counters.bytes_loaded == before.bytes_loaded


def test_the_same_patches_again_cost_nothing(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path).with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)
    for _ in range(3):
        with manager.borrow(handle):
            pass
    assert (manager.counters.layers_patched, manager.counters.layers_restored) == (1, 0)


def test_other_patches_on_the_same_model_inside_are_undone_when_the_block_ends(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    outer = handle.with_patches(patch_set("outer", first__weight=torch.ones(8, 8)), 1.0)
    with manager.borrow(outer) as module:
        expected = state(module)
        with manager.borrow(handle) as inner:
            assert not bit_equal(state(inner), expected)
        assert bit_equal(state(module), expected)


def test_a_patch_that_does_not_fit_leaves_a_model_that_works(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    with manager.borrow(handle) as module:
        before = state(module)
    wrong = patch_set("wrong", first__bias=torch.ones(8), first__weight=torch.ones(3, 3))
    with pytest.raises(PatchMismatch), manager.borrow(handle.with_patches(wrong, 1.0)):
        pytest.fail("borrowed")
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)


@pytest.mark.parametrize("dtype", ["auto", "fp16"])
def test_weights_made_under_inference_mode_can_be_patched_outside_of_it(dtype: str, path: Path) -> None:
    manager = make_manager(dtype=dtype)
    handle = handle_of(manager, path)
    patched = handle.with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)
    with torch.inference_mode():
        for _ in range(2):
            with manager.borrow(patched):
                pass
            manager.free()
        with manager.borrow(patched):
            pass
    with manager.borrow(handle.with_patches(patch_set("b", first__weight=torch.ones(8, 8)), 2.0)) as module:
        assert module(torch.ones(1, 2, 8, dtype=module.first.weight.dtype)).shape == (1, 2, 8)


def test_patch_files_give_a_set_for_each_part(tmp_path: Path) -> None:
    write_net(tmp_path / "m.safetensors", parts=("denoiser", "vae"))
    rows = torch.ones(8, 8)
    save_file(
        {"first.add": torch.ones(8, 8), "middle.add": rows, "nobody.x": torch.ones(1)}, tmp_path / "lora.safetensors"
    )
    manager = make_manager()
    handles = manager.open(tmp_path / "m.safetensors")
    for_denoiser, for_vae = manager.read_patches(tmp_path / "lora.safetensors", list(handles.values()))
    assert sorted(for_denoiser.deltas) == ["first.weight", "fused.weight[8:16]"]
    assert for_denoiser.unmatched == ("nobody.x",)
    assert for_denoiser.key != for_vae.key
    assert manager.read_patches(tmp_path / "lora.safetensors", [handles["vae"]])[0] is for_vae
    with manager.borrow(handles["denoiser"]) as module:
        before = module.fused.weight.clone()
    with manager.borrow(handles["denoiser"].with_patches(for_denoiser, 1.0)) as module:
        assert torch.equal(module.fused.weight[8:16], before[8:16] + 1)
        assert torch.equal(module.fused.weight[:8], before[:8])
        assert torch.equal(module.fused.weight[16:], before[16:])


class OfRankOne:
    """Adds the same to each number, or fails."""

    fails = False

    def apply(self, weight: torch.Tensor, original: torch.Tensor, strength: float) -> torch.Tensor:
        return weight + strength

    def factors(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        if self.fails:
            raise RuntimeError("no")
        return torch.full((8, 1), 2.0, device=weight.device), torch.ones(1, 8, device=weight.device), 0.5


@pytest.mark.parametrize("device", [CpuDevice(), FakeDevice(10**6)])
def test_a_delta_of_low_rank_changes_the_weight_in_its_own_memory(device: Any, path: Path) -> None:
    manager = make_manager(device)
    handle = handle_of(manager, path)
    with manager.borrow(handle) as module:
        before = state(module)
    patch = PatchSet(key="of rank one", deltas={"first.weight": OfRankOne()})
    places = []
    for strength in (0.5, -2.0):
        with manager.borrow(handle.with_patches(patch, strength)) as module:
            assert torch.equal(module.first.weight, before["first.weight"] + strength)
            places.append(module.first.weight.data_ptr())
    assert places[0] == places[1]
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)


def test_a_delta_that_fails_half_way_leaves_the_file_s_weight(path: Path) -> None:
    manager, late = make_manager(), OfRankOne()
    handle = handle_of(manager, path)
    with manager.borrow(handle) as module:
        before = state(module)
    early = handle.with_patches(PatchSet(key="early", deltas={"first.weight": OfRankOne()}), 1)
    both = [early.with_patches(PatchSet(key="late", deltas={"first.weight": late}), strength) for strength in (1, 2)]
    with manager.borrow(both[0]):
        late.fails = True
    with pytest.raises(PatchMismatch), manager.borrow(both[1]):  # the early one has been written by then
        pass
    late.fails = False
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)
    with manager.borrow(both[0]) as module:
        assert torch.equal(module.first.weight, before["first.weight"] + 1 + 1)


def test_a_change_that_does_not_fit_is_told_by_the_name_its_file_was_asked_for_by(tmp_path: Path) -> None:
    write_net(tmp_path / "m.safetensors")
    save_file({"first.add": torch.ones(3, 3)}, tmp_path / "style.safetensors")
    (tmp_path / "mood.safetensors").hardlink_to(tmp_path / "style.safetensors")
    manager = make_manager()
    handle = handle_of(manager, tmp_path / "m.safetensors")
    for name in ("style", "mood", "style"):
        (patches,) = manager.read_patches(tmp_path / f"{name}.safetensors", [handle])
        with (
            pytest.raises(PatchMismatch, match=rf"patch {name}\.safetensors \(\w+\) for net's denoiser can't change"),
            manager.borrow(handle.with_patches(patches, 1.0)),
        ):
            pass


def test_another_configuration_beside_the_file_gives_another_set(tmp_path: Path) -> None:
    write_net(tmp_path / "m.safetensors")
    save_file({"first.add": torch.ones(8, 8)}, tmp_path / "adapter_model.safetensors")
    manager = make_manager()
    handle = handle_of(manager, tmp_path / "m.safetensors")
    keys = []
    for config in ("{}", '{"peft_type": "OFT"}'):
        (tmp_path / "adapter_config.json").write_text(config)
        keys.append(manager.read_patches(tmp_path / "adapter_model.safetensors", [handle])[0].key)
    assert len(set(keys)) == 2
