"""What counts as memory on the CPU: pages of mapped files don't, since the system can drop them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from host.models.errors import OutOfBudget
from host.models.residency.devices import CpuDevice
from tests.host.models.doubles import handle_of, make_manager, net_bytes, net_tensors, patch_set, write_net

SMALL = net_bytes(8)
OWN = 8 * 8
"""Bytes of a small net that are no pages of its file: positions."""


def system(folder: Path, available_kb: int, budget: int | None = None) -> CpuDevice:
    """A system that has so much memory left."""
    (folder / "meminfo").write_text(f"MemAvailable: {available_kb} kB\n")
    return CpuDevice(budget, proc=folder, cgroup=folder / "none")


def wide(folder: Path, name: str = "wide.safetensors", dtype: torch.dtype = torch.float32) -> Path:
    """A net of a MiB or two."""
    write_net(folder / name, 256, dtype=dtype)
    return folder / name


def test_a_model_that_is_pages_of_its_file_needs_no_free_memory(tmp_path: Path) -> None:
    manager = make_manager(system(tmp_path, available_kb=64))
    with manager.borrow(handle_of(manager, wide(tmp_path))) as module:
        assert torch.equal(module.first.weight, net_tensors(256)["first.weight"])


def test_nor_does_one_that_is_converted_as_it_is_used(tmp_path: Path) -> None:
    manager = make_manager(system(tmp_path, available_kb=64))
    with manager.borrow(handle_of(manager, wide(tmp_path, dtype=torch.float16))) as module:
        assert torch.equal(module.first.weight.clone(), net_tensors(256, torch.float16)["first.weight"].float())


def test_nobody_leaves_for_pages_of_a_file(tmp_path: Path) -> None:
    manager = make_manager(system(tmp_path, available_kb=64))
    handles = [handle_of(manager, wide(tmp_path, f"{name}.safetensors")) for name in "ab"]
    for handle in handles:
        with manager.borrow(handle):
            pass
    assert [holding.key for holding in manager.report()] == sorted(handle.key for handle in handles)
    assert manager.counters.evictions == 0


def test_what_is_copied_needs_memory(tmp_path: Path, path: Path) -> None:
    manager = make_manager(system(tmp_path, available_kb=0))
    with pytest.raises(OutOfBudget) as caught, manager.borrow(handle_of(manager, path)):
        pytest.fail("borrowed")
    assert (caught.value.needed, caught.value.free) == (OWN, 0)


def test_a_budget_counts_pages_too(two: tuple[Path, Path], tmp_path: Path) -> None:
    manager = make_manager(system(tmp_path, available_kb=10**6, budget=SMALL))
    for path in two:
        with manager.borrow(handle_of(manager, path)):
            assert len(manager.report()) == 1
    manager = make_manager(system(tmp_path, available_kb=10**6, budget=SMALL - 1))
    with pytest.raises(OutOfBudget) as caught, manager.borrow(handle_of(manager, two[0])):
        pytest.fail("borrowed")
    assert (caught.value.needed, caught.value.free) == (SMALL, SMALL - 1)


@dataclass(frozen=True)
class Machine(CpuDevice):
    """Main memory of so many bytes, all of it for weights of their own."""

    memory: int = 0

    def free(self, held: int) -> int:
        return max(0, self.memory - held)


def test_room_to_work_in_is_made_by_those_who_hold_memory_of_their_own(tmp_path: Path, two: tuple[Path, Path]) -> None:
    size = net_bytes(256)
    manager = make_manager(Machine(memory=size + size // 2))
    patched, other = handle_of(manager, wide(tmp_path)), handle_of(manager, two[0])
    change = patch_set(first__weight=torch.ones(256, 256), fused__weight=torch.ones(768, 256))
    with manager.borrow(patched.with_patches(change, 1.0)):
        pass
    (holding,) = manager.report()
    assert holding.bytes - holding.mapped_bytes > size // 2
    with manager.borrow(other, working_bytes=size // 4):
        assert len(manager.report()) == 2
    with manager.borrow(other, working_bytes=size):
        assert [holding.key for holding in manager.report()] == [other.key]


def test_patched_weights_of_others_leave_for_those_about_to_be_patched(tmp_path: Path) -> None:
    size = net_bytes(256)
    manager = make_manager(Machine(memory=size + size // 2))
    handles = [handle_of(manager, wide(tmp_path, f"{name}.safetensors")) for name in "ab"]
    change = patch_set(first__weight=torch.ones(256, 256), fused__weight=torch.ones(768, 256))
    for handle in handles:
        with manager.borrow(handle.with_patches(change, 1.0)):
            assert sum(holding.bytes - holding.mapped_bytes for holding in manager.report()) <= size
    with manager.borrow(handles[1].with_patches(change, 0.5)):
        assert manager.counters.evictions == 1


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_file_with_two_names_is_held_once(link: object, path: Path) -> None:
    other = path.with_name("other.safetensors")
    assert callable(link)
    link(path, other)
    manager = make_manager()
    with manager.borrow(handle_of(manager, path)) as one, manager.borrow(handle_of(manager, other)) as again:
        assert one is again
    assert (len(manager.report()), manager.counters.loads) == (1, 1)


def test_a_name_that_is_gone_does_not_matter_while_there_is_another(path: Path) -> None:
    other = path.with_name("other.safetensors")
    os.link(path, other)
    manager = make_manager()
    handle = handle_of(manager, path)
    path.unlink()
    assert handle_of(manager, other).key == handle.key
    with manager.borrow(handle_of(manager, other)) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])


def test_a_file_with_two_names_is_one_to_its_patches_too(path: Path) -> None:
    other = path.with_name("other.safetensors")
    os.link(path, other)
    manager = make_manager()
    one, again = handle_of(manager, path), handle_of(manager, other)
    assert one.key == again.key
    change = patch_set(first__weight=torch.ones(8, 8))
    with manager.borrow(one.with_patches(change, 1.0)), manager.borrow(again) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])
