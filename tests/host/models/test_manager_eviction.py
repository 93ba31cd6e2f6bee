from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import nn

from host.models.errors import DeviceFull, OutOfBudget
from host.models.residency.devices import CpuDevice
from tests.host.models.doubles import (
    FakeDevice,
    WatchingHook,
    bit_equal,
    handle_of,
    make_manager,
    net_bytes,
    net_tensors,
    patch_set,
    state,
    write_net,
)

SMALL, LARGE = net_bytes(8), net_bytes(16)


def test_an_evicted_module_holds_no_memory(path: Path) -> None:
    manager = make_manager(FakeDevice(10**6))
    with manager.borrow(handle_of(manager, path)) as module:
        pass
    assert manager.free() == SMALL
    assert all(parameter.untyped_storage().nbytes() <= 4 for parameter in module.parameters())


def test_a_full_device_evicts_the_longest_idle_and_says_so(path: Path, two: tuple[Path, Path]) -> None:
    hook = WatchingHook()
    manager = make_manager(FakeDevice(2 * SMALL), hook=hook, clock=lambda: 0.0)
    handles = [handle_of(manager, each) for each in (*two, path)]
    for handle in handles:
        with manager.borrow(handle):
            pass
    assert {holding.key for holding in manager.report()} == {handles[1].key, handles[2].key}
    assert hook.evicted == [(handles[0], SMALL)]
    assert hook.loaded == [(handle, SMALL) for handle in handles]
    assert manager.counters.evictions == 1


def test_what_was_evicted_comes_back_the_same_with_its_patches(two: tuple[Path, Path]) -> None:
    manager = make_manager(FakeDevice(net_bytes(8, 2)), dtype="bf16")
    handle, other = (handle_of(manager, path) for path in two)
    patched = handle.with_patches(patch_set(first__weight=torch.randn(8, 8)), 1.0)
    with manager.borrow(patched) as module:
        before = state(module)
    with manager.borrow(other):
        assert [holding.key for holding in manager.report()] == [other.key]
    with manager.borrow(patched) as module:
        assert bit_equal(state(module), before)
    assert manager.counters.loads == 3


def test_what_is_borrowed_is_never_evicted(two: tuple[Path, Path]) -> None:
    manager = make_manager(FakeDevice(SMALL + 10))
    one, other = (handle_of(manager, path) for path in two)
    with (
        manager.borrow(one),
        pytest.raises(OutOfBudget, match=f"denoiser of {two[1]} needs .*; in use: denoiser of {two[0]}") as caught,
        manager.borrow(other),
    ):
        pytest.fail("borrowed")
    assert (caught.value.needed, caught.value.free, list(caught.value.holders.values())) == (SMALL, 10, [SMALL])
    with manager.borrow(other):
        assert len(manager.report()) == 1


def test_a_model_larger_than_the_budget_is_refused_and_evicts_nobody(tmp_path: Path, path: Path) -> None:
    write_net(tmp_path / "large.safetensors", 16)
    manager = make_manager(FakeDevice(LARGE - 1))
    small, large = handle_of(manager, path), handle_of(manager, tmp_path / "large.safetensors")
    with manager.borrow(small):
        pass
    with pytest.raises(OutOfBudget, match="Raise --vram"), manager.borrow(large):
        pytest.fail("borrowed")
    assert [holding.key for holding in manager.report()] == [small.key]
    assert manager.counters.evictions == 0


def test_a_budget_holds_on_the_cpu_too(two: tuple[Path, Path]) -> None:
    manager = make_manager(CpuDevice(SMALL))
    for path in two:
        with manager.borrow(handle_of(manager, path)):
            assert len(manager.report()) == 1


def test_working_bytes_evict_others_but_never_refuse(two: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    manager = make_manager(FakeDevice(2 * SMALL + 50))
    one, other = (handle_of(manager, path) for path in two)
    with manager.borrow(one), manager.borrow(other, working_bytes=50):
        assert len(manager.report()) == 2
    with manager.borrow(other, working_bytes=60):
        assert [holding.key for holding in manager.report()] == [other.key]
    with manager.borrow(other, working_bytes=10**9):
        assert "asks for 1000000000 bytes" in caplog.text


def test_free_takes_everything_off_that_nobody_uses(two: tuple[Path, Path]) -> None:
    device = FakeDevice(10**6)
    manager = make_manager(device)
    one, other = (handle_of(manager, path) for path in two)
    with manager.borrow(one), manager.borrow(other):
        pass
    with manager.borrow(one):
        assert manager.free(unload_models=False) == 0
        assert manager.free() == SMALL
        assert [holding.key for holding in manager.report()] == [one.key]
    assert device.released == [1, 1]
    with manager.borrow(other) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])


class RunsOut(FakeDevice):
    """A device that is fuller than it says: so often as ``failures`` says it runs out of memory, after some times."""

    failures, after = 0, 0

    @property
    def torch_device(self) -> torch.device:
        self.after -= 1
        if self.failures and self.after < 0:
            self.failures -= 1
            raise torch.OutOfMemoryError
        return torch.device("cpu")


def test_when_torch_runs_out_of_memory_all_others_leave_and_it_is_tried_again(two: tuple[Path, Path]) -> None:
    device = RunsOut(10**6)
    manager = make_manager(device)
    one, other = (handle_of(manager, path) for path in two)
    with manager.borrow(one):
        pass
    device.failures = 1
    with manager.borrow(other):
        assert [holding.key for holding in manager.report()] == [other.key]
    assert device.released == [1]
    manager.free()
    device.failures = 50
    with (
        pytest.raises(DeviceFull, match=r"while denoiser of .* was being loaded; models hold: nothing"),
        manager.borrow(one),
    ):
        pytest.fail("borrowed")


@pytest.mark.parametrize("failures", [1, 10**6])
@pytest.mark.parametrize("after", range(12))
def test_wherever_it_runs_out_the_model_works_or_is_an_error_that_leaves_it_working(
    after: int, failures: int, two: tuple[Path, Path]
) -> None:
    device = RunsOut(10**6)
    manager = make_manager(device)
    one, other = (handle_of(manager, path) for path in two)
    change = patch_set(first__weight=torch.ones(8, 8), fused__weight=torch.ones(24, 8))
    with manager.borrow(one):
        pass
    expected = {name: value + (name in change.deltas) for name, value in net_tensors(8).items()}
    device.after, device.failures = after, failures
    failed: DeviceFull | None = None
    try:
        with manager.borrow(other.with_patches(change, 1.0)) as module:
            assert bit_equal(_weights(module, expected), expected)
    except DeviceFull as error:
        failed = error
    assert failed is None or (failures > 1 and failed.loading)
    assert failed is None or f"models hold: {'denoiser of ' if failed.holders else 'nothing'}" in str(failed)
    assert not any(holding.borrowed for holding in manager.report())
    device.failures = 0
    with manager.borrow(other.with_patches(change, 1.0)) as module:
        assert bit_equal(_weights(module, expected), expected)
    with manager.borrow(other) as module:
        assert bit_equal(_weights(module, expected), net_tensors(8))


def _weights(module: nn.Module, names: Iterable[str]) -> dict[str, torch.Tensor]:
    weights = state(module)
    return {name: weights[name] for name in names}
