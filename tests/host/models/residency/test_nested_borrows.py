"""Models that are in use at the same time share their device, also where they don't fit there together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from host.models.errors import DeviceFull, HeldMeanwhile, OutOfBudget
from host.models.manager import ModelManager
from host.models.residency.file_resident import FileResident
from sdk.models import ModelHandle
from tests.host.models.doubles import FakeDevice, patch_set
from tests.host.models.towers import LAYER_BYTES, LAYERS, LEAST, SIZE, WIDTH, handle_in, tower_manager, write_tower

X = torch.linspace(-1, 1, WIDTH).reshape(1, -1)
EVERYWHERE = patch_set("all", **{f"{layer}__weight": torch.eye(WIDTH) for layer in range(LAYERS)})


@pytest.fixture
def towers(tmp_path: Path) -> list[tuple[Path, nn.Module]]:
    """Files with the modules that are in them."""
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    return [(path, write_tower(path, seed)) for seed, path in enumerate(paths)]


def opened(budget: int, towers: list[tuple[Path, nn.Module]]) -> tuple[ModelManager, list[ModelHandle]]:
    manager = tower_manager(FakeDevice(budget))
    return manager, [handle_in(manager, path) for path, _ in towers]


def patched(module: nn.Module, x: Tensor) -> Tensor:
    for layer in module.children():
        x = nn.functional.linear(x, layer.weight + torch.eye(WIDTH), layer.bias)  # type: ignore[operator, arg-type]
    return x


def held(manager: ModelManager) -> dict[str, int]:
    return {holding.key: holding.bytes for holding in manager.report()}


def test_a_model_in_use_streams_more_where_another_would_not_fit_beside_it(
    towers: list[tuple[Path, nn.Module]],
) -> None:
    manager, (one, other, _) = opened(SIZE, towers)
    (_, first), (_, second), _ = towers
    with manager.borrow(one.with_patches(EVERYWHERE, 1.0)) as outer:
        assert held(manager) == {one.key: SIZE}
        with manager.borrow(other) as inner:
            for _ in range(2):
                assert torch.equal(inner(X), second(X))
                assert torch.equal(outer(X), patched(first, X))
            assert sum(held(manager).values()) <= SIZE
        assert torch.equal(outer(X), patched(first, X))


def test_three_models_in_use_share_what_holds_one(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, handles = opened(max(SIZE, 3 * LEAST), towers)
    with manager.borrow(handles[0]) as one, manager.borrow(handles[1]) as two, manager.borrow(handles[2]) as three:
        for module, (_, expected) in zip((one, two, three), towers, strict=True):
            assert torch.equal(module(X), expected(X))
        assert sum(held(manager).values()) <= max(SIZE, 3 * LEAST)


def test_nobody_streams_more_for_one_that_does_not_fit_all_the_same(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, (one, other, _) = opened(2 * LEAST - 1, towers)
    with manager.borrow(one):
        before = held(manager)
        with pytest.raises(OutOfBudget) as caught, manager.borrow(other):
            pytest.fail("borrowed")
        assert held(manager) == before
    assert (caught.value.needed, list(caught.value.holders)) == (LEAST, [f"denoiser of {towers[0][0]}"])


def test_a_model_in_use_whose_file_is_replaced_keeps_its_weights(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, (one, other, _) = opened(SIZE, towers)
    with manager.borrow(one) as module:
        before = held(manager)
        write_tower(towers[2][0], 9)
        towers[2][0].replace(towers[0][0])
        with pytest.raises(OutOfBudget), manager.borrow(other):
            pytest.fail("borrowed")
        assert held(manager) == before
        assert torch.equal(module(X), towers[0][1](X))


class Full(FakeDevice):
    """Is full at times."""

    full = False

    @property
    def torch_device(self) -> torch.device:
        if self.full:
            raise torch.OutOfMemoryError
        return torch.device("cpu")


def test_a_model_in_use_that_left_in_vain_comes_back(
    towers: list[tuple[Path, nn.Module]], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Full(SIZE)
    manager = tower_manager(device)
    other, one, _ = (handle_in(manager, path) for path, _ in towers)
    place = FileResident.place

    def full(resident: FileResident, room: int) -> int:
        device.full = resident.handle.key == other.key
        return place(resident, room)

    with manager.borrow(one.with_patches(EVERYWHERE, 1.0)) as module:
        monkeypatch.setattr(FileResident, "place", full)
        with pytest.raises(DeviceFull), manager.borrow(other):
            pytest.fail("borrowed")
        assert torch.equal(module(X), patched(towers[1][1], X))


def test_room_for_streamed_weights_of_an_outer_model_stays_free(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, (one, other, _) = opened(LEAST + SIZE // 2, towers)
    with manager.borrow(one) as outer, manager.borrow(other) as inner:
        assert sum(held(manager).values()) + 2 * 3 * LAYER_BYTES <= LEAST + SIZE // 2
        assert torch.equal(inner(outer(X)), towers[1][1](towers[0][1](X)))


def test_the_room_that_an_outer_borrower_works_in_is_left_to_it(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, (one, other, _) = opened(3 * SIZE, towers)
    with manager.borrow(one, working_bytes=3 * SIZE // 2), manager.borrow(other):
        assert sum(held(manager).values()) <= 3 * SIZE // 2


def test_a_model_that_streamed_for_a_while_is_whole_again_when_there_is_room(
    towers: list[tuple[Path, nn.Module]],
) -> None:
    manager, (one, *_) = opened(SIZE, towers)
    with manager.borrow(one, working_bytes=SIZE // 2):
        assert manager.report()[0].streamed_bytes
    for _ in range(2):
        with manager.borrow(one, working_bytes=0) as module:
            assert manager.report()[0].streamed_bytes == 0
            assert torch.equal(module(X), towers[0][1](X))
    assert manager.counters.loads == 2


def test_it_is_not_placed_anew_for_little_or_for_what_it_ran_out_of_memory_with(
    towers: list[tuple[Path, nn.Module]],
) -> None:
    manager, (one, other, _) = opened(SIZE, towers)
    for spare in (SIZE // 2, SIZE // 2 - LAYER_BYTES):
        with manager.borrow(one, working_bytes=spare):
            pass
    assert manager.counters.loads == 1
    manager.free()
    with manager.borrow(one), manager.borrow(other):
        loads = manager.counters.loads
    with manager.borrow(one):
        assert manager.counters.loads == loads


def test_an_idle_model_leaves_before_one_in_use_has_to_stream(towers: list[tuple[Path, nn.Module]]) -> None:
    manager, (one, other, third) = opened(2 * SIZE, towers)
    with manager.borrow(third):
        pass
    with manager.borrow(one), manager.borrow(other):
        assert [holding.streamed_bytes for holding in manager.report()] == [0, 0]
        assert third.key not in held(manager)


@pytest.mark.parametrize("same", [True, False])
def test_tasks_that_wait_with_a_model_never_compute_with_another_one_s_patches(
    same: bool, towers: list[tuple[Path, nn.Module]]
) -> None:
    manager, (one, *_) = opened(SIZE, towers)
    other = one if same else one.with_patches(EVERYWHERE, 1.0)

    async def waits(handle: ModelHandle, until: asyncio.Event, then: asyncio.Event) -> Tensor:
        await until.wait()
        with manager.borrow(handle) as module:
            then.set()
            await asyncio.sleep(0)
            result: Tensor = module(X)
        return result

    async def both() -> tuple[Tensor | BaseException, Tensor | BaseException]:
        now, next_ = asyncio.Event(), asyncio.Event()
        now.set()
        return await asyncio.gather(
            waits(one, now, next_), waits(other, next_, asyncio.Event()), return_exceptions=True
        )

    first, second = asyncio.run(both())
    assert isinstance(first, Tensor)
    assert torch.equal(first, towers[0][1](X))
    if same:
        assert isinstance(second, Tensor)
        assert torch.equal(second, first)
    else:
        assert isinstance(second, HeldMeanwhile)
    assert not manager.report()[0].borrowed
