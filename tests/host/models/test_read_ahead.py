from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from host.models.errors import ModelFileError
from host.models.read_ahead import AT_A_TIME, WORTHWHILE, ReadAhead
from tests.host.models.doubles import make_manager, write_net
from tests.support.weight_files import InMemory

KEYS = [str(number) for number in range(2 * AT_A_TIME)]
WIDTH = 1100
"""Of a net that is large enough to be read ahead."""


class Watched(InMemory):
    """Says what is read, and waits for leave to go on where it is told to."""

    def __init__(self, damaged: str = "") -> None:
        super().__init__({})
        self.read: list[str] = []
        self.reading, self.go_on = threading.Event(), threading.Event()
        self._damaged = damaged

    def prefetch(self, *keys: str) -> None:
        self.reading.set()
        assert self.go_on.wait(60)
        if self._damaged in keys:
            raise ModelFileError(self.header.path, f"can't be read at {self._damaged}")
        self.read += keys


def test_tensors_are_read_beside_what_else_is_done_and_all_when_it_was_waited_for() -> None:
    file = Watched()
    reading = ReadAhead(file, KEYS)
    assert file.reading.wait(60)
    assert file.read == []
    file.go_on.set()
    reading.wait()
    assert file.read == KEYS


def test_what_is_given_up_is_left_after_what_is_being_read() -> None:
    file = Watched()
    reading = ReadAhead(file, KEYS)
    assert file.reading.wait(60)
    giving_up = threading.Thread(target=reading.give_up)
    giving_up.start()
    while not reading.given_up:
        pass
    file.go_on.set()
    giving_up.join()
    assert file.read == KEYS[:AT_A_TIME]


def test_what_can_not_be_read_is_said_to_who_waits() -> None:
    file = Watched(damaged=KEYS[AT_A_TIME])
    file.go_on.set()
    reading = ReadAhead(file, KEYS)
    with pytest.raises(ModelFileError, match="can't be read"):
        reading.wait()
    assert file.read == KEYS[:AT_A_TIME]


def test_a_large_model_is_the_same_when_it_is_read_ahead(tmp_path: Path) -> None:
    weights = write_net(tmp_path / "m.safetensors", WIDTH)
    assert sum(tensor.nbytes for tensor in weights.values()) >= WORTHWHILE
    manager = make_manager()
    handle = manager.open(tmp_path / "m.safetensors")["denoiser"]
    for _ in range(2):
        with manager.borrow(handle) as module:
            assert torch.equal(module.first.weight, weights["first.weight"])
        manager.free()


def test_a_large_file_that_is_cut_off_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_net(path, WIDTH)
    manager = make_manager()
    handle = manager.open(path)["denoiser"]
    with path.open("r+b") as stream:
        stream.truncate(100_000)
    borrowed: list[Any] = []
    with pytest.raises(ModelFileError), manager.borrow(handle) as module:
        borrowed.append(module)
    assert borrowed == []
