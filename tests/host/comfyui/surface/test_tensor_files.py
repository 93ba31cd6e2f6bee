"""Tensors remember their file for as long as nobody changes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from host.comfyui.surface.tensor_files import LoadedTensors, file_of
from tests.support.node_context import context_in


def loaded(path: Path) -> LoadedTensors:
    return LoadedTensors(path, {"a": torch.arange(3.0), "b": torch.ones(2)})


def test_what_nobody_has_changed_is_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert file_of(loaded(path), context_in(tmp_path)) == path


def written(tensors: dict[str, Any]) -> None:
    tensors["a"].add_(1)


def replaced(tensors: dict[str, Any]) -> None:
    tensors["a"] = tensors["a"] + 1


def dropped(tensors: dict[str, Any]) -> None:
    del tensors["b"]


@pytest.mark.parametrize("change", [written, replaced, dropped])
def test_what_was_changed_is_written_to_a_file_of_its_own(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path, tensors = tmp_path / "a.safetensors", loaded(tmp_path / "a.safetensors")
    change(tensors)
    other = file_of(tensors, context_in(tmp_path))
    assert other != path
    found = load_file(other)
    assert found.keys() == tensors.keys()
    assert all(found[name].equal(tensor) for name, tensor in tensors.items())


def test_a_tensor_in_the_place_of_one_that_is_gone_is_another(tmp_path: Path) -> None:
    tensors = LoadedTensors(tmp_path / "a.safetensors", {"a": torch.zeros(3)})
    for _ in range(8):  # Python gives the places of objects that are gone away again
        tensors["a"] = tensors["a"] + 1
        assert not tensors.unchanged


def test_a_tensor_may_have_two_names(tmp_path: Path) -> None:
    shared = torch.ones(2)
    other = load_file(file_of({"a": shared, "b": shared}, context_in(tmp_path)))
    assert other["a"].equal(other["b"])


def test_the_same_tensors_are_the_same_file(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    one = file_of({"a": torch.ones(2), "b": torch.zeros(1)}, context)
    stamp = one.stat().st_mtime_ns

    assert file_of({"b": torch.zeros(1), "a": torch.ones(2)}, context) == one
    assert one.stat().st_mtime_ns == stamp
    assert file_of({"a": torch.ones(2), "b": torch.ones(1)}, context) != one
    assert len(list(one.parent.iterdir())) == 2
