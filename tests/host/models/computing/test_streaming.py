from __future__ import annotations

import weakref
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from host.models.collector import without_collections
from host.models.computing.streaming import Stream, StreamedWeight, choose_streamed, least_room
from host.models.computing.transfers import Arrived, PlainTransfer
from host.models.errors import DeviceFull, OutOfBudget
from host.models.residency.devices import open_device
from sdk.models import Header, Identity, Part, TensorSource
from tests.host.models.doubles import FakeDevice, make_manager, patch_set
from tests.host.models.towers import (
    BIAS_BYTES,
    LAYER_BYTES,
    LAYERS,
    LEAST,
    SIZE,
    WIDTH,
    TowerFamily,
    handle_in,
    tower,
    tower_manager,
    write_tower,
)


@pytest.fixture
def towers(tmp_path: Path) -> tuple[Path, Tensor, Tensor]:
    """A file, an input and the module's output for it."""
    module, x = write_tower(tmp_path / "tower.safetensors"), torch.randn(2, WIDTH)
    return tmp_path / "tower.safetensors", x, module(x)


def test_a_budget_of_a_third_runs_with_identical_output(towers: tuple[Path, Tensor, Tensor]) -> None:
    path, x, expected = towers
    manager = tower_manager(FakeDevice(SIZE // 3))
    with manager.borrow(handle_in(manager, path)) as module:
        for _ in range(3):
            assert torch.equal(module(x), expected)
        (holding,) = manager.report()
    assert holding.bytes + 3 * LAYER_BYTES <= SIZE // 3
    assert holding.bytes + holding.streamed_bytes == SIZE
    assert holding.bytes > LAYERS * BIAS_BYTES, "what fits stays there"


def test_what_was_streamed_leaves_main_memory_at_once_when_its_module_leaves(
    towers: tuple[Path, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, x, _ = towers
    made: list[weakref.ref[Tensor]] = []
    host_copy = PlainTransfer.host_copy

    def watched(self: PlainTransfer, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        copy = host_copy(self, tensor, dtype).clone()
        made.append(weakref.ref(copy))
        return copy

    monkeypatch.setattr(PlainTransfer, "host_copy", watched)
    manager = tower_manager(FakeDevice(SIZE // 3))
    with without_collections():
        with manager.borrow(handle_in(manager, path)) as module:
            module(x)
        assert sum(copy() is not None for copy in made) == len(made) > 0
        manager.free()
        assert not any(copy() is not None for copy in made)


def test_what_is_on_its_way_is_let_go_when_the_borrow_ends(
    towers: tuple[Path, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, x, _ = towers
    there: list[weakref.ref[Tensor]] = []
    fetch = PlainTransfer.fetch

    def watched(self: PlainTransfer, host: Tensor) -> Arrived:
        arrived = fetch(self, host)
        there.append(weakref.ref(arrived.tensor))
        return arrived

    monkeypatch.setattr(PlainTransfer, "fetch", watched)
    manager = tower_manager(FakeDevice(SIZE // 3))
    with manager.borrow(handle_in(manager, path)) as module:
        for _ in range(2):
            module(x)
        assert sum(tensor() is not None for tensor in there) == 1
    assert all(tensor() is None for tensor in there)


def test_of_a_streamed_table_only_the_rows_come_that_are_looked_up() -> None:
    stream, table = Stream(torch.device("cpu")), torch.randn(1000, 4)
    weight = StreamedWeight(lambda: table, torch.float32, stream)
    assert torch.equal(weight.rows(torch.tensor([3, 5])), table[[3, 5]])
    assert stream.bytes == 0


class Words(nn.Module):
    """A large table, and small layers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(60 * WIDTH, WIDTH * 2)
        self.first = nn.Linear(WIDTH * 2, WIDTH)
        self.layers = tower()

    def forward(self, words: Tensor) -> Tensor:
        return self.layers(self.first(self.table(words)))  # type: ignore[no-any-return]


class WordsFamily(TowerFamily):
    def parts(self, header: Header, identity: Identity) -> list[Part]:
        weights = {key: TensorSource(key) for key in header.tensors}
        return [Part(name="denoiser", build=Words, weights=weights)]


def test_a_text_encoder_whose_table_is_most_of_it_runs_on_a_third(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, words = Words().requires_grad_(False), torch.tensor([[5, 900, 7]])
    save_file(module.state_dict(), tmp_path / "words.safetensors")
    size = sum(weight.nbytes for weight in module.parameters())
    manager = make_manager(FakeDevice(size // 3), family=WordsFamily())  # type: ignore[arg-type]
    handle = handle_in(manager, tmp_path / "words.safetensors")
    table = patch_set("table", table__weight=torch.ones(60 * WIDTH, WIDTH * 2))
    with torch.no_grad():
        with manager.borrow(handle) as borrowed:
            assert torch.equal(borrowed(words), module(words))
        with manager.borrow(handle.with_patches(table, 1.0)) as borrowed:
            module.table.weight += 1
            assert torch.equal(borrowed(words), module(words))


def test_what_fits_is_not_streamed(towers: tuple[Path, Tensor, Tensor]) -> None:
    path, _, _ = towers
    manager = tower_manager(FakeDevice(SIZE))
    with manager.borrow(handle_in(manager, path)):
        assert manager.report()[0].streamed_bytes == 0


def test_the_room_a_caller_needs_beside_the_weights_makes_them_stream(towers: tuple[Path, Tensor, Tensor]) -> None:
    path, x, expected = towers
    manager = tower_manager(FakeDevice(SIZE))
    with manager.borrow(handle_in(manager, path), working_bytes=SIZE // 2) as module:
        assert manager.report()[0].bytes <= SIZE // 2
        assert torch.equal(module(x), expected)


def test_patches_on_streamed_weights_are_exact_and_undone_exactly(towers: tuple[Path, Tensor, Tensor]) -> None:
    path, x, expected = towers
    manager = tower_manager(FakeDevice(SIZE // 3))
    handle = handle_in(manager, path)
    everywhere = patch_set("all", **{f"{layer}__weight": torch.eye(WIDTH) for layer in range(LAYERS)})
    changed = write_tower(path.with_name("other.safetensors"))
    for layer in changed.children():
        layer.weight.data += 0.5 * torch.eye(WIDTH)  # type: ignore[union-attr, operator]
    for _ in range(2):
        with manager.borrow(handle.with_patches(everywhere, 0.5)) as module:
            assert torch.equal(module(x), changed(x))
            assert torch.equal(module(x), changed(x))
        with manager.borrow(handle) as module:
            assert torch.equal(module(x), expected)


def test_models_in_a_chain_that_do_not_fit_together_stream_beside_each_other(
    towers: tuple[Path, Tensor, Tensor], tmp_path: Path
) -> None:
    path, x, expected = towers
    path.with_name("b.safetensors").write_bytes(path.read_bytes())
    manager = tower_manager(FakeDevice(SIZE + 2 * LEAST))
    one, other = (handle_in(manager, each) for each in (path, path.with_name("b.safetensors")))
    with manager.borrow(one) as first, manager.borrow(other) as second:
        assert torch.equal(second(first(x)), second(expected))
        assert [bool(holding.streamed_bytes) for holding in manager.report()] == [False, True]


def test_a_budget_too_small_for_streaming_is_an_error(towers: tuple[Path, Tensor, Tensor]) -> None:
    path, _, _ = towers
    manager = tower_manager(FakeDevice(3 * LAYER_BYTES))
    with pytest.raises(OutOfBudget, match="Raise --vram"), manager.borrow(handle_in(manager, path)):
        pytest.fail("borrowed")


class Crowded(nn.Module):
    """Runs out of memory so many times before it computes."""

    failures = 0

    def __init__(self) -> None:
        super().__init__()
        self.layers = tower()

    def forward(self, x: Tensor) -> Tensor:
        if Crowded.failures:
            Crowded.failures -= 1
            raise torch.OutOfMemoryError
        return self.layers(x)  # type: ignore[no-any-return]


class CrowdedFamily(TowerFamily):
    def parts(self, header: Header, identity: Identity) -> list[Part]:
        weights = {f"layers.{key}": TensorSource(key) for key in header.tensors}
        return [Part(name="denoiser", build=Crowded, weights=weights)]


def test_running_out_of_memory_evicts_the_others_streams_and_computes_again(
    towers: tuple[Path, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, x, expected = towers
    path.with_name("b.safetensors").write_bytes(path.read_bytes())
    device = FakeDevice(10 * SIZE)
    manager = make_manager(device, family=CrowdedFamily())  # type: ignore[arg-type]
    one, other = (handle_in(manager, each) for each in (path, path.with_name("b.safetensors")))
    with manager.borrow(other):
        pass
    patched = one.with_patches(patch_set("zero", **{"layers.0__bias": torch.zeros(WIDTH)}), 1.0)
    monkeypatch.setattr(Crowded, "failures", 1)
    with manager.borrow(patched) as module:
        assert torch.equal(module(x), expected)
        (holding,) = manager.report()
        assert (holding.key, holding.patched_layers) == (one.key, 1)
        assert holding.streamed_bytes == LAYERS * LAYER_BYTES
    assert device.released


def test_running_out_of_memory_twice_is_an_error_that_shows_who_holds_what(
    towers: tuple[Path, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, x, expected = towers
    manager = make_manager(FakeDevice(10 * SIZE), family=CrowdedFamily())  # type: ignore[arg-type]
    handle = handle_in(manager, path)
    monkeypatch.setattr(Crowded, "failures", 2)
    said = r"fake:0 ran out of memory while denoiser of .*tower"
    with pytest.raises(DeviceFull, match=said) as caught, manager.borrow(handle) as module:
        module(x)
    assert list(caught.value.holders) == [f"denoiser of {path}"]
    with manager.borrow(handle) as module:
        assert torch.equal(module(x), expected)


sizes = st.lists(st.integers(1, 1000), min_size=1, max_size=60)


@given(sizes, st.floats(0, 1.2))
def test_the_choice_fits_wherever_anything_does(sizes: list[int], share: float) -> None:
    room = int(sum(sizes) * share)
    streamed = choose_streamed(sizes, room)
    resident = [size for place, size in enumerate(sizes) if place not in streamed]
    needed = sum(resident) + least_room([sizes[place] for place in streamed])
    assert needed <= max(room, least_room(sizes))
    if sum(sizes) <= room:
        assert not streamed


@pytest.mark.parametrize("room", [33, 50, 75])
def test_streamed_layers_are_spread_evenly(room: int) -> None:
    streamed = sorted(choose_streamed([1] * 100, room))
    gaps = [after - before for before, after in pairwise(streamed)]
    assert max(gaps) - min(gaps) <= 1
    assert len(streamed) <= 100 - room + 4


def test_the_next_weight_is_fetched_while_one_is_used_from_the_second_pass_on() -> None:
    stream = Stream(torch.device("cpu"))
    values = [torch.full((2,), float(number)) for number in range(3)]
    weights = [StreamedWeight(lambda value=value: value, torch.float32, stream) for value in values]  # type: ignore[misc]
    fetched: list[float] = []
    fetch = stream.transfer.fetch

    class Watched:
        host_copy = stream.transfer.host_copy

        def fetch(self, host: Tensor) -> object:
            fetched.append(host[0].item())
            return fetch(host)

    stream.transfer = Watched()  # type: ignore[assignment]
    for _ in range(2):
        for weight, value in zip(weights, values, strict=True):
            assert torch.equal(weight.dense(), value)
    assert fetched == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device; run it with -m gpu on a machine with one"
)
def test_on_a_real_device_a_third_of_the_weights_gives_identical_output(tmp_path: Path) -> None:
    path = tmp_path / "tower.safetensors"
    module, x = write_tower(path).cuda(), torch.randn(2, WIDTH, device="cuda")
    whole = make_manager(open_device("cuda"), family=TowerFamily())  # type: ignore[arg-type]
    third = make_manager(open_device("cuda", SIZE // 3), family=TowerFamily())  # type: ignore[arg-type]
    with whole.borrow(handle_in(whole, path)) as resident, third.borrow(handle_in(third, path)) as streamed:
        assert third.report()[0].streamed_bytes > 0
        for _ in range(5):
            assert torch.equal(streamed(x), resident(x))
        assert torch.allclose(resident(x), module(x))
