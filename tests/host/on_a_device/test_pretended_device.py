"""The pretended device refuses and counts what a real one would; or the tests beside this one would say nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from tests.support.pretend_cuda.chip import Chip
from tests.support.pretend_cuda.rules import MixedDevices

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    """As everything runs in the host; views would keep what they are of."""
    with torch.no_grad():
        yield


def _there(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=CUDA)


HERE = torch.tensor([1.0, 2.0])

REFUSED: dict[str, Callable[[], object]] = {
    "arithmetic": lambda: _there(1, 2) + HERE,
    "in place": lambda: _there(1, 2).mul_(HERE),
    "a result in main memory": lambda: HERE.clone().add_(_there(1, 2)),
    "a scalar there, a tensor here": lambda: HERE * _there(1, 2).sum(),
    "joining": lambda: torch.cat([_there(1), HERE]),
    "a mask": lambda: torch.where(HERE > 1, _there(1, 2), _there(3, 4)),
    "indices there, values here": lambda: HERE[torch.tensor([0], device=CUDA)],
    "gathering": lambda: _there(1, 2).gather(0, torch.tensor([0])),
    "a layer": lambda: nn.functional.linear(_there(1, 2), torch.ones(3, 2)),
    "an embedding": lambda: nn.functional.embedding(torch.tensor([0], device=CUDA), torch.ones(3, 2)),
}

ALLOWED: dict[str, Callable[[], Tensor]] = {
    "a scalar here": lambda: _there(1, 2) * torch.tensor(2.0),
    "a number": lambda: _there(1, 2) * 2,
    "indices here": lambda: _there(1, 2)[torch.tensor([1])],
    "a scalar put in": lambda: _there(1, 2).index_put_((torch.tensor([0], device=CUDA),), torch.tensor(5.0)),
    "a choice of scalars": lambda: torch.where(_there(1, 2) > 1, torch.tensor(1.0), torch.tensor(2.0)),
    "copying here to there": lambda: _there(1, 2).copy_(HERE),
    "made there": lambda: torch.arange(3, device=CUDA) + torch.ones(3, device="cuda:0"),
    "made like one there": lambda: torch.zeros_like(_there(1)) + _there(1).new_tensor([2.0]),
}

WAITS: dict[str, Callable[[Tensor], object]] = {
    "a number": lambda x: x[0].item(),
    "a float": lambda x: float(x.sum()),
    "a truth": lambda x: bool((x > 0).all()),
    "a copy here": lambda x: x.cpu(),
    "a list": lambda x: x.tolist(),
    "a copy there": lambda x: HERE.to(CUDA),
    "a made tensor": lambda x: torch.tensor([1.0], device=CUDA),
    "places": lambda x: x.nonzero(),
    "a mask as index": lambda x: x[x > 1],
    "a comparison of all": lambda x: torch.equal(x, x),
}

GOES_ON: dict[str, Callable[[Tensor], object]] = {
    "arithmetic": lambda x: (x * 2 + x).softmax(0),
    "a scalar here": lambda x: x * torch.tensor(2.0),
    "filling": lambda x: torch.full((2,), 3.0, device=CUDA),
    "pinned": lambda x: torch.empty(2, pin_memory=True).copy_(HERE).to(CUDA, non_blocking=True),
    "another dtype": lambda x: x.to(torch.float16),
}


@pytest.mark.parametrize("meet", REFUSED.values(), ids=list(REFUSED))
def test_tensors_of_two_devices_are_refused(chip: Chip, meet: Callable[[], object]) -> None:
    with pytest.raises(MixedDevices):
        meet()


@pytest.mark.parametrize("meet", ALLOWED.values(), ids=list(ALLOWED))
def test_what_a_device_takes_from_main_memory_is_taken(chip: Chip, meet: Callable[[], Tensor]) -> None:
    assert meet().device == CUDA


@pytest.mark.parametrize("ask", WAITS.values(), ids=list(WAITS))
def test_waiting_is_counted(chip: Chip, ask: Callable[[Tensor], object]) -> None:
    x = _there(1, 2)
    chip.waits.clear()
    ask(x)
    assert chip.waits.total() == 1


@pytest.mark.parametrize("compute", GOES_ON.values(), ids=list(GOES_ON))
def test_what_needs_no_waiting_is_not(chip: Chip, compute: Callable[[Tensor], object]) -> None:
    x = _there(1, 2)
    chip.waits.clear()
    compute(x)
    assert chip.waits.total() == 0


def test_numpy_and_random_numbers_are_refused(chip: Chip) -> None:
    with pytest.raises(TypeError, match="numpy"):
        _there(1).numpy()
    with pytest.raises(RuntimeError, match="draws on the device"):
        torch.randn_like(_there(1))
    with pytest.raises(RuntimeError, match="draws on the device"):
        torch.randn(2, device=CUDA)


def test_modules_move_there_and_back_with_their_parameters_kept(chip: Chip) -> None:
    layer = nn.Linear(2, 2)
    weight, plain = layer.weight, layer.weight.detach().clone()
    layer.to(CUDA)
    assert (layer.weight.device, layer.weight is weight, isinstance(layer.weight, nn.Parameter)) == (CUDA, True, True)
    assert torch.equal(layer(_there(1, 2)).cpu(), nn.functional.linear(HERE, plain, layer.bias.cpu()))
    layer.to("cpu")
    assert type(layer.weight) is nn.Parameter
    assert torch.equal(layer.weight, plain)


def test_memory_is_counted_and_runs_out(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    before = chip.memory.live
    x = torch.ones(1000, device=CUDA)
    view = x[10:]
    assert chip.memory.live == before + 4000
    del x
    assert chip.memory.live == before + 4000
    del view
    assert chip.memory.live == before
    monkeypatch.setattr(chip.memory, "capacity", before + 4000)
    with pytest.raises(torch.OutOfMemoryError):
        torch.ones(1001, device=CUDA)
    assert torch.cuda.mem_get_info() == (4000, before + 4000)


def test_a_stream_must_wait_for_what_another_made_and_keep_what_it_uses(chip: Chip) -> None:
    side = torch.cuda.Stream(CUDA)
    with torch.cuda.stream(side):
        early, unwaited = _there(1), _there(2)
        arrived = side.record_event()
        late = _there(3)
    with pytest.raises(RuntimeError, match="another stream"):
        unwaited + 1
    torch.cuda.current_stream().wait_event(arrived)
    early.record_stream(torch.cuda.current_stream())
    assert (early + unwaited).tolist() == [3]
    with pytest.raises(RuntimeError, match="another stream"):
        late + 1
    del early
    assert chip.memory.faults == []
    del unwaited
    assert len(chip.memory.faults) == 1
    chip.memory.faults.clear()
