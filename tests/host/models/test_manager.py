from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from host.models.devices import CpuDevice
from host.models.errors import (
    ChangedFile,
    DeviceUnavailable,
    DuplicateFamily,
    OutOfBudget,
    PatchMismatch,
    UnknownHandle,
    UnknownModel,
)
from host.models.library import Library
from host.models.loading import weight
from host.models.manager import ADOPTED_MODULE, ModelManager
from sdk.models import Header, Identity, ModelAccess, ModelHandle, Part, TensorSource
from tests.host.models.doubles import (
    FakeDevice,
    Net,
    NetFamily,
    WatchingHook,
    make_manager,
    net_bytes,
    net_part,
    net_tensors,
    patch_set,
    write_net,
)

SMALL, LARGE = net_bytes(8), net_bytes(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_net(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def handle_of(manager: ModelManager, path: Path) -> ModelHandle:
    return manager.open(path)["denoiser"]


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def bit_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name].view(torch.uint8), other[name].view(torch.uint8))
        for name in one
    )


def test_it_is_what_nodes_expect(path: Path) -> None:
    access: ModelAccess = make_manager()
    with access.borrow(access.open(path)["denoiser"]) as module:
        assert isinstance(module, Net)


def test_opening_reads_the_header_alone_and_once(path: Path) -> None:
    family = NetFamily()
    manager = make_manager(family=family)
    first, second = handle_of(manager, path), handle_of(manager, path)
    assert first == second
    assert (first.part, first.adapter, first.identity.config) == ("denoiser", 8, {"denoiser": 8})
    assert family.asked == [path]
    assert (manager.counters.loads, manager.report()) == (0, ())
    assert manager.identify(path) == first.identity


def test_a_file_nobody_knows_is_refused_with_what_each_family_said(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UnknownModel, match="net: has no first"):
        make_manager().open(tmp_path / "a.safetensors")


def test_two_families_of_one_name_are_refused() -> None:
    with pytest.raises(DuplicateFamily, match="'net'"):
        ModelManager(Library([]), [NetFamily(), NetFamily(asked=[Path()])], [], CpuDevice())


def test_on_the_cpu_weights_of_the_same_dtype_are_not_copied(path: Path) -> None:
    manager = make_manager()
    with manager.borrow(handle_of(manager, path)):
        (holding,) = manager.report()
    assert manager.counters.bytes_loaded == 0
    assert (holding.bytes, holding.mapped_bytes) == (SMALL, SMALL - 8 * 8)


def test_the_module_computes_what_it_would_with_copied_weights(tmp_path: Path) -> None:
    tensors = write_net(tmp_path / "m.safetensors")
    expected, x = Net(8), torch.randn(1, 3, 8)
    expected.load_state_dict(tensors)
    for device in (CpuDevice(), FakeDevice(10**6)):
        manager = make_manager(device)
        with manager.borrow(handle_of(manager, tmp_path / "m.safetensors")) as module:
            assert torch.equal(module(x), expected(x))


def test_an_unaligned_file_is_copied_once_and_otherwise_like_any_other(path: Path) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    text = content[8 : 8 + length].rstrip() + b" "
    text += b" " * (len(text) % 2 == 0)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    manager = make_manager()
    handle = handle_of(manager, path)
    amount = torch.randn(8, 8)
    with manager.borrow(handle) as module:
        before = state(module)
    with manager.borrow(handle.with_patches(patch_set(first__weight=amount), 2.0)) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"] + 2 * amount)
    with manager.borrow(handle) as module:
        assert bit_equal(state(module), before)
    assert (manager.counters.loads, manager.counters.bytes_loaded) == (1, SMALL - 8 * 8)
    assert manager.report()[0].mapped_bytes == 0


class Halves(NetFamily):
    """Takes each weight of the small net from a row range of one fused tensor."""

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        fused = {
            "first.weight": TensorSource("fused", transpose=True, narrow=(1, 8, 8)),
            "first.bias": TensorSource("fused", narrow=(0, 0, 1), reshape=(8,)),
        }
        weights = {key: fused.get(key, TensorSource(f"model.net.{key}")) for key in net_tensors(8)}
        return [net_part("denoiser", 8, weights)]


@pytest.mark.parametrize("dtype", ["auto", "fp16"])
@pytest.mark.parametrize("device", [CpuDevice(), FakeDevice(10**6)])
def test_weights_may_be_seen_transposed_narrowed_and_reshaped(device: Any, dtype: str, tmp_path: Path) -> None:
    tensors = net_tensors(8, torch.float16) | {"fused": torch.randn(16, 8).half()}
    fused = tensors.pop("fused")
    save_file(
        {"model.net." + key: tensor for key, tensor in tensors.items()} | {"fused": fused}, tmp_path / "m.safetensors"
    )
    manager = make_manager(device, dtype=dtype, family=Halves())
    handle = handle_of(manager, tmp_path / "m.safetensors")
    with manager.borrow(handle.with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)):
        pass
    with manager.borrow(handle) as module:
        assert torch.equal(module.first.weight, fused.T[:, 8:].to(module.first.weight.dtype))
        assert torch.equal(module.first.bias, fused[0].to(module.first.bias.dtype))


def test_an_evicted_module_holds_no_memory(path: Path) -> None:
    manager = make_manager(FakeDevice(10**6))
    with manager.borrow(handle_of(manager, path)) as module:
        pass
    assert manager.free() == SMALL
    assert all(parameter.untyped_storage().nbytes() <= 4 for parameter in module.parameters())


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_half_precision_is_converted_once_and_computed_in_float32_on_the_cpu(suffix: str, tmp_path: Path) -> None:
    tensors = write_net(tmp_path / "m.safetensors", dtype=torch.float16)
    path = tmp_path / f"m{suffix}"
    if suffix == ".ckpt":
        torch.save({"model.net." + key: tensor for key, tensor in tensors.items()}, path)
    manager = make_manager()
    with manager.borrow(handle_of(manager, path)) as module:
        assert all(torch.equal(weight(module, name), tensor.float()) for name, tensor in tensors.items())
    assert manager.counters.bytes_loaded == SMALL - 8 * 8
    assert manager.report()[0].mapped_bytes == 0


def test_equal_keys_share_one_set_of_weights_and_other_dtypes_do_not(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    manager = make_manager()
    with manager.borrow(handle_of(manager, path)) as one, manager.borrow(handle_of(manager, link)) as other:
        assert one is other
    assert manager.counters.loads == 1
    assert handle_of(make_manager(dtype="fp16"), path).key != handle_of(manager, path).key


def test_the_same_model_may_be_borrowed_again_inside(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    with manager.borrow(handle) as outer, manager.borrow(handle) as inner:
        assert outer is inner
        assert manager.report()[0].borrowed
    assert not manager.report()[0].borrowed


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


def test_an_error_inside_the_block_ends_the_borrow(path: Path) -> None:
    manager = make_manager()
    with pytest.raises(KeyError), manager.borrow(handle_of(manager, path)):
        raise KeyError
    assert not manager.report()[0].borrowed
    assert manager.free() == SMALL


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


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for path in paths:
        write_net(path)
    return paths


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
    """A device that is fuller than it says: placing a weight runs out of memory as often as ``failures`` says."""

    failures = 0

    @property
    def maps_files(self) -> bool:
        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError
        return False


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
    with pytest.raises(OutOfBudget), manager.borrow(one):
        pytest.fail("borrowed")


def test_a_file_replaced_since_it_was_opened_is_refused(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    write_net(path.with_name("new.safetensors"), seed=9)
    os.replace(path.with_name("new.safetensors"), path)
    with pytest.raises(ChangedFile, match="Run the node that opens it again"), manager.borrow(handle):
        pytest.fail("borrowed")
    again = handle_of(manager, path)
    assert again.key != handle.key
    with manager.borrow(again) as module:
        assert torch.equal(module.first.weight, net_tensors(8, seed=9)["first.weight"])


def test_a_file_replaced_while_its_model_is_loaded_goes_on_working(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    with manager.borrow(handle):
        pass
    path.unlink()
    with manager.borrow(handle) as module:
        assert torch.equal(module.first.weight, net_tensors(8)["first.weight"])


def test_an_unknown_handle_is_refused(path: Path) -> None:
    handle = handle_of(make_manager(), path)
    with pytest.raises(UnknownHandle, match="Run the node"), make_manager().borrow(handle):
        pytest.fail("borrowed")


def test_a_hook_chooses_the_device_of_a_part(path: Path) -> None:
    opened: list[tuple[str, int | None]] = []

    def open_fake(name: str, budget: int | None) -> FakeDevice:
        opened.append((name, budget))
        return FakeDevice(10**6, name=name)

    manager = make_manager(hook=WatchingHook(device="fake:7"), open_device=open_fake)
    with manager.borrow(handle_of(manager, path)):
        assert manager.report()[0].device == "fake:7"
    assert opened == [("fake:7", None)]
    with pytest.raises(DeviceUnavailable):
        make_manager(hook=WatchingHook(device="cuda:63")).open(path)


def test_a_hook_chooses_the_attention_of_a_part(path: Path) -> None:
    manager = make_manager(hook=WatchingHook(attention=lambda query, *rest, **options: torch.zeros_like(query)))
    with manager.borrow(handle_of(manager, path)) as module:
        assert module(torch.ones(1, 2, 8)).abs().sum() == 0


def test_the_device_of_a_handle_is_torchs(path: Path) -> None:
    manager = make_manager()
    assert manager.device(handle_of(manager, path)) == torch.device("cpu")


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


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], None]], threading.Thread]]:
    threads: list[threading.Thread] = []

    def start(work: Callable[[], None]) -> threading.Thread:
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_another_thread_waits_for_its_turn_but_opens_and_reports_meanwhile(
    path: Path, in_thread: Callable[[Callable[[], None]], threading.Thread]
) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    patched = handle.with_patches(patch_set(first__weight=torch.ones(8, 8)), 1.0)
    opened, order = threading.Event(), []

    def work() -> None:
        handle_of(manager, path)
        manager.report()
        opened.set()
        with manager.borrow(patched):
            order.append("other")

    with manager.borrow(handle) as module:
        before = state(module)
        thread = in_thread(work)
        assert opened.wait(10)
        assert bit_equal(state(module), before)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]
