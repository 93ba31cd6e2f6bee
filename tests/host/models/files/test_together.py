"""Several files opened as one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from host.models.errors import ChangedFile
from host.models.files.together import FilesTogether
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk.models import CONFIG_METADATA, Header, Identity, Part, Refusal, TensorSource
from tests.support.weight_files import InMemory


def test_tensors_and_facts_of_each_file_come_after_its_name() -> None:
    one, two = torch.ones(1), torch.zeros(2)
    stated = {CONFIG_METADATA: json.dumps({"heads": 2})}
    file = FilesTogether({"a": InMemory({"w": one}, stated), "b": InMemory({"w": two})}, {"use": "x"})

    assert [(key, info.shape) for key, info in file.header.tensors.items()] == [("a.w", (1,)), ("b.w", (2,))]
    assert json.loads(file.header.metadata[CONFIG_METADATA]) == {"a.heads": 2, "use": "x"}
    assert file.tensor("a.w") is one
    assert file.tensor("b.w") is two
    assert file.maps("a.w")


class PairFamily:
    """Two files with a vector each."""

    name = "pair"

    def identify(self, header: Header) -> Identity | Refusal:
        if list(header.tensors) != ["a.w", "b.w"]:
            return Refusal("it is no pair")
        facts: Mapping[str, Any] = json.loads(header.metadata[CONFIG_METADATA])
        return Identity(family=self.name, kind="pair", config=facts, because="there are two")

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        def build() -> nn.Module:
            return nn.ParameterDict({name: nn.Parameter(torch.empty(2)) for name in "ab"})

        return [Part(name="pair", build=build, weights={name: TensorSource(f"{name}.w") for name in "ab"})]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.safetensors" for name in "ab"}
    for number, path in enumerate(paths.values()):
        save_file({"w": torch.full((2,), float(number))}, path)
    return paths


def test_a_manager_lends_what_two_files_make_together(files: dict[str, Path], tmp_path: Path) -> None:
    manager = ModelManager(Library([tmp_path]), [PairFamily()], [], CpuDevice())
    handle = manager.open_together(files, {"use": "x"})["pair"]
    with manager.borrow(handle) as module:
        assert {name: weight.tolist() for name, weight in module.items()} == {"a": [0.0, 0.0], "b": [1.0, 1.0]}

    assert manager.open_together(files, {"use": "x"})["pair"].key == handle.key
    assert manager.open_together(files, {"use": "y"})["pair"].key != handle.key


def test_a_file_that_has_changed_since_is_noticed(files: dict[str, Path], tmp_path: Path) -> None:
    manager = ModelManager(Library([tmp_path]), [PairFamily()], [], CpuDevice())
    handle = manager.open_together(files, {"use": "x"})["pair"]
    save_file({"w": torch.ones(2), "more": torch.ones(1)}, files["b"])
    with pytest.raises(ChangedFile, match=r"b\.safetensors"), manager.borrow(handle):
        pass
