"""Values on their way between two processes, with and without handing over memory."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from host.isolation.channel import Channel
from host.isolation.starting import start
from host.isolation.values import Message, read, write
from sdk.nodes import Blocker, NodeResult


def refuse(value: Any) -> tuple[Any, ...]:
    raise TypeError(type(value).__name__)


def nothing(*named: Any) -> Any:
    raise LookupError(named)


def there(value: Any) -> Any:
    return read(write(value, refuse), nothing)


@pytest.fixture(params=["unix", "network"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[Channel, Channel]]:
    if request.param == "unix":
        one, other = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            one = socket.create_connection(listener.getsockname())
            other, _ = listener.accept()
    here, there = Channel(one, own_changes=False), Channel(other, own_changes=True)
    yield here, there
    here.close()
    there.close()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(scalars),
    max_leaves=20,
)


@given(plain)
def test_plain_values_arrive_as_they_were(value: Any) -> None:
    assert there(value) == value


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(3, 5),
        torch.rand(4, 4).t(),
        torch.rand(10)[::3],
        torch.tensor(3.5),
        torch.empty(0, 4),
        torch.rand(3).to(torch.bfloat16),
        torch.tensor([True, False]),
        torch.rand(300, 300),
        torch.rand(2, dtype=torch.complex64).conj(),
    ],
    ids=str,
)
def test_tensors_arrive_to_the_bit(tensor: torch.Tensor) -> None:
    found = there({"samples": tensor})["samples"]
    assert found.dtype == tensor.dtype
    assert torch.equal(found, tensor.resolve_conj())


@pytest.mark.parametrize("kind", ["float32", "int64", "uint16", "bool", "complex128"])
def test_arrays_arrive_to_the_bit(kind: str) -> None:
    array = numpy.arange(12).reshape(3, 4).astype(kind)
    array.flags.writeable = False
    found = there(array)
    assert found.dtype == array.dtype
    assert numpy.array_equal(found, array)


def test_near_relatives_of_plain_values_arrive_as_these() -> None:
    picture = Image.new("RGB", (3, 2), "red")
    values = (Path("a/b"), numpy.float32(0.5), torch.float16, torch.device("cpu"), torch.Size([1, 2]))
    assert there(values) == (Path("a/b"), 0.5, torch.float16, torch.device("cpu"), (1, 2))
    assert there(picture).tobytes() == picture.tobytes()
    assert there(NodeResult(outputs=(Blocker("no"),), ui={"text": ["a"]})).outputs == (Blocker("no"),)


def test_the_same_list_stays_the_same_list() -> None:
    shared = [1]
    one, other = there([shared, shared])
    assert one is other


def test_nothing_but_known_types_is_ever_built() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system|nt\.system"):
        read(Message(pickle.dumps(__import__("os").system), b"", ()), nothing)
    with pytest.raises(TypeError, match="object"):
        write([object()], refuse)


def test_large_and_small_tensors_cross_a_line(line: tuple[Channel, Channel]) -> None:
    here, there = line
    value = [torch.rand(200, 200), torch.rand(3), "text"]
    here.send(write(value, refuse))
    found = read(there.receive(), nothing)
    assert torch.equal(found[0], value[0])
    assert torch.equal(found[1], value[1])
    found[0].zero_()
    there.send(write(found, refuse))
    assert read(here.receive(), nothing)[0].count_nonzero() == 0


def test_a_line_that_was_hung_up_says_so(line: tuple[Channel, Channel]) -> None:
    here, there = line
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_a_process_can_be_reached_over_the_network_of_the_machine() -> None:
    import sys

    process, line = start([entry for entry in sys.path if entry], by_network=True)
    assert process.stdout is not None
    with process.stdout, line:
        assert process.poll() is None
        Channel(line, own_changes=False).close()
        assert process.wait(20) == 0
