from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import ChangedFile, DeviceUnavailable, DuplicateFamily, UnknownHandle, UnknownModel
from host.models.library import Library
from host.models.loading import weight
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk.models import Header, Identity, ModelAccess, Part, TensorSource
from tests.host.models.doubles import (
    FakeDevice,
    Net,
    NetFamily,
    WatchingHook,
    bit_equal,
    handle_of,
    make_manager,
    net_bytes,
    net_part,
    net_tensors,
    patch_set,
    state,
    write_net,
)

SMALL = net_bytes(8)


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


def test_an_error_inside_the_block_ends_the_borrow(path: Path) -> None:
    manager = make_manager()
    with pytest.raises(KeyError), manager.borrow(handle_of(manager, path)):
        raise KeyError
    assert not manager.report()[0].borrowed
    assert manager.free() == SMALL


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


def test_a_large_half_precision_weight_is_converted_as_it_is_used(tmp_path: Path) -> None:
    tensors = write_net(tmp_path / "m.safetensors", 256, dtype=torch.float16)
    expected, x = Net(256), torch.randn(1, 3, 256)
    expected.load_state_dict(tensors)
    manager = make_manager()
    handle = handle_of(manager, tmp_path / "m.safetensors")
    large = 2 * (tensors["first.weight"].numel() + tensors["fused.weight"].numel())
    with manager.borrow(handle) as module:
        assert (module.first.weight.dtype, manager.report()[0].mapped_bytes) == (torch.float32, large)
        for _ in range(3):
            assert torch.equal(module(x), expected(x))
        assert manager.report()[0].mapped_bytes == 0
    amount = torch.randn(256, 256)
    with manager.borrow(handle.with_patches(patch_set(first__weight=amount), 0.5)) as module:
        assert torch.equal(module.first.weight.clone(), tensors["first.weight"].float() + 0.5 * amount)
    with manager.borrow(handle) as module:
        assert torch.equal(module(x), expected(x))
    assert manager.free() == net_bytes(256)
