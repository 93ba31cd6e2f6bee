from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from host.models.errors import NoFileBehind
from host.models.manager import ModelManager
from sdk.models import PatchSet
from tests.host.models.doubles import handle_of, make_manager, patch_set, state


def change(manager: ModelManager, path: Path) -> PatchSet:
    """One added to every number of every weight."""
    shapes = manager.weights(handle_of(manager, path)).shapes
    return patch_set(**{name.replace(".", "__"): torch.ones(shape) for name, shape in shapes.items()})


def test_weights_are_had_one_by_one_and_nothing_is_placed(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    weights = manager.weights(handle)
    assert not sum(held.bytes for held in manager.report())
    with manager.borrow(handle) as module:
        expected = state(module)
    assert {name: tuple(value.shape) for name, value in expected.items()} == dict(weights.shapes)
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_patched_weights_are_those_of_a_borrowed_module(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    patched = handle.with_patches(change(manager, path), 0.5)
    weights = manager.weights(patched)
    with manager.borrow(patched) as module:
        assert all(torch.equal(weights[name].to(value.dtype), value) for name, value in state(module).items())


def test_what_is_stored_has_the_files_keys_and_dtypes_with_the_patches(path: Path) -> None:
    manager = make_manager()
    handle = handle_of(manager, path)
    plain, patched = manager.stored(handle), manager.stored(handle.with_patches(change(manager, path), 0.5))
    assert set(plain.tensors) <= set(plain.header.tensors)
    changed = {key for key in plain.tensors if not torch.equal(plain.tensors[key], patched.tensors[key])}
    assert changed == set(plain.tensors)
    assert all(patched.tensors[key].dtype == plain.tensors[key].dtype for key in changed)
    with pytest.raises(KeyError):
        plain.tensors["no such key"]


def test_an_adopted_module_has_weights_but_no_file() -> None:
    manager, module = make_manager(), nn.Linear(2, 3)
    handle = manager.adopt("a pack", module)
    assert torch.equal(manager.weights(handle)["weight"], module.weight)
    with pytest.raises(NoFileBehind, match="adopted from a pack"):
        manager.stored(handle)
