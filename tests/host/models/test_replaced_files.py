"""Model files that get other content, or go, while the host runs."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import pytest
import torch

from host.models.errors import ChangedFile
from host.models.manager import ModelManager
from tests.host.models.doubles import FakeDevice, handle_of, make_manager, net_bytes, net_tensors, write_net


def replace(path: Path, seed: int) -> None:
    write_net(path.with_name("new.tmp"), seed=seed)
    os.replace(path.with_name("new.tmp"), path)


def first_weight(manager: ModelManager, path: Path) -> torch.Tensor:
    with manager.borrow(handle_of(manager, path)) as module:
        return module.first.weight.clone()  # type: ignore[no-any-return]


@pytest.mark.parametrize("device", [None, FakeDevice(10**6)])
def test_what_a_file_held_before_leaves_memory_when_it_is_opened_again(device: FakeDevice | None, path: Path) -> None:
    manager, modules = make_manager(device), []
    for seed in range(3):
        replace(path, seed)
        with manager.borrow(handle_of(manager, path)) as module:
            assert torch.equal(module.first.weight, net_tensors(8, seed=seed)["first.weight"])
            modules.append(weakref.ref(module))
        del module
        assert [holding.bytes for holding in manager.report()] == [net_bytes(8)]
    gc.collect()
    assert [module() is not None for module in modules] == [False, False, True]


def test_a_module_in_use_stays_until_nobody_uses_it(path: Path) -> None:
    manager = make_manager()
    with manager.borrow(handle_of(manager, path)) as module:
        replace(path, 5)
        assert torch.equal(first_weight(manager, path), net_tensors(8, seed=5)["first.weight"])
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])
        assert len(manager.report()) == 2
    first_weight(manager, path)
    assert len(manager.report()) == 1


def test_a_handle_of_what_was_there_before_is_refused_then(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    first_weight(manager, path)
    replace(path, 5)
    handle_of(manager, path)
    with pytest.raises(ChangedFile, match="Run the node that opens it again"), manager.borrow(handle):
        pytest.fail("borrowed")


def test_freeing_lets_go_of_files_that_are_gone(two: tuple[Path, Path]) -> None:
    manager = make_manager()
    for path in two:
        first_weight(manager, path)
    two[0].unlink()
    manager.free()
    first_weight(manager, two[1])
    gc.collect()
    if os.path.exists("/proc/self/maps"):
        maps = Path("/proc/self/maps").read_text()
        assert (str(two[0]) in maps, str(two[1]) in maps) == (False, True)


def test_other_roundings_and_names_of_a_file_stay_open(two: tuple[Path, Path]) -> None:
    manager = make_manager()
    kept = [manager.open(two[0], rounded_to=dtype)["denoiser"] for dtype in (None, "F16")]
    handle_of(manager, two[1])
    replace(two[1], 5)
    for handle in (*kept, handle_of(manager, two[1])):
        with manager.borrow(handle):
            pass
    assert len(manager.report()) == 3


def test_a_file_that_comes_back_is_there_for_good(path: Path) -> None:
    manager = make_manager(FakeDevice(10**6))
    first_weight(manager, path)
    os.rename(path, path.with_name("away"))
    write_net(path, seed=5)
    handle_of(manager, path)
    os.replace(path.with_name("away"), path)
    handle = handle_of(manager, path)
    for _ in range(2):
        with manager.borrow(handle) as module:
            assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])
        assert [holding.bytes for holding in manager.report()] == [net_bytes(8)]


def test_handles_of_a_file_outlive_another_name_of_it(path: Path) -> None:
    manager, other = make_manager(), path.with_name("other.safetensors")
    os.link(path, other)
    first_weight(manager, path)
    handle = handle_of(manager, other)
    replace(path, 5)
    assert torch.equal(first_weight(manager, path), net_tensors(8, seed=5)["first.weight"])
    with manager.borrow(handle) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])
