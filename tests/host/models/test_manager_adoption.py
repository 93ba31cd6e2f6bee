from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from host.models.manager import ADOPTED_MODULE
from host.models.residency.adopted import AdoptedResident
from tests.host.models.doubles import (
    FakeDevice,
    Net,
    WatchingHook,
    bit_equal,
    handle_of,
    make_manager,
    net_bytes,
    patch_set,
    state,
)

SMALL = net_bytes(8)


def test_an_adopted_module_is_patched_and_restored_like_any_other() -> None:
    manager = make_manager(FakeDevice(10**6))
    module = Net(8)
    before = state(module)
    handle = manager.adopt("my-pack", module, adapter="mine")
    assert (handle.adapter, handle.identity.family) == ("mine", "my-pack")
    assert manager.adopt("my-pack", module) == handle
    with manager.borrow(handle.with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)) as borrowed:
        assert borrowed is module
        assert torch.equal(module.first.weight, before["first.weight"] + 1)
    with manager.borrow(handle):
        assert bit_equal(state(module), before)


def test_an_adopted_module_counts_leaves_and_comes_back(path: Path) -> None:
    hook = WatchingHook()
    manager = make_manager(FakeDevice(SMALL), hook=hook)
    module = Net(8)
    before = state(module)
    adopted = manager.adopt("my-pack", module)
    with manager.borrow(adopted.with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)):
        assert manager.report()[0].bytes == SMALL
    with manager.borrow(handle_of(manager, path)):
        assert [holding.source for holding in manager.report()] == [str(path)]
    assert hook.evicted[0][0].key == adopted.key
    assert bit_equal(state(module), before)
    with manager.borrow(adopted) as borrowed:
        assert borrowed is module


def test_an_adopted_module_lives_as_long_as_its_handles() -> None:
    manager = make_manager()
    handle = manager.adopt("my-pack", Net(8)).with_options(scale=2)
    gc.collect()
    with manager.borrow(handle):
        pass
    options = dict(handle.options)
    del options[ADOPTED_MODULE], handle
    gc.collect()
    assert manager.report() == ()


def test_only_torch_modules_can_be_adopted() -> None:
    with pytest.raises(TypeError, match="my-pack wants a str adopted"):
        make_manager().adopt("my-pack", "a model")


def test_what_its_owner_drops_while_others_make_room_leaves_nothing_to_move() -> None:
    manager = make_manager(FakeDevice(10**6))
    module = Net(8)
    handle = manager.adopt("my-pack", module)
    resident = AdoptedResident(handle, FakeDevice(10**6), module)
    resident.place(10**6)
    del module, handle
    resident.handle = replace(resident.handle, options={})
    gc.collect()
    assert (resident.evict(), resident.placed) == (net_bytes(8), False)
