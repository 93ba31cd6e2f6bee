from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.low_rank import LowRank
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk.models import PatchSet
from tests.host.models.doubles import ADDED, NetFamily, WatchingHook, bit_equal, handle_of, patch_set, state, write_net

WIDTH, TOKENS = 128, 300
CLOSE = 1e-4
"""Of the greatest number of an output that products of 16 bits gave."""


@pytest.fixture
def network(tmp_path: Path, kernels: ctypes.CDLL) -> Path:
    path = tmp_path / "network.safetensors"
    write_net(path, WIDTH, parts=("denoiser", "vae"))
    return path


def manager(*, compile: bool = True, dtype: str = "auto", hook: WatchingHook | None = None) -> ModelManager:
    settings = ModelSettings(dtype=dtype, compile=compile)
    return ModelManager(Library([]), [NetFamily()], [ADDED], CpuDevice(), settings, hook=hook)


def output(module: torch.nn.Module) -> Tensor:
    x = torch.randn(1, 2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1)) / 100
    with torch.no_grad():
        result: Tensor = module(x)
    return result


def off(one: Tensor, other: Tensor) -> float:
    return ((one - other).abs().max() / other.abs().max()).item()


def test_compiled_for_the_cpu_a_denoiser_computes_nearly_the_same(network: Path) -> None:
    plain, fast = manager(compile=False), manager()
    with plain.borrow(handle_of(plain, network)) as expected, fast.borrow(handle_of(fast, network)) as module:
        outputs = [output(module) for _ in range(3)]

        assert 0 < off(outputs[0], output(expected)) < CLOSE
        assert torch.equal(outputs[0], outputs[2])
        assert bit_equal(state(module), state(expected))


def test_patches_change_what_is_computed_and_their_end_changes_it_back(network: Path) -> None:
    plain, fast = manager(compile=False), manager()
    patch = patch_set(first__weight=torch.randn(WIDTH, WIDTH))
    handle = handle_of(fast, network)
    with fast.borrow(handle) as module:
        before = output(module)
    with (
        fast.borrow(handle.with_patches(patch, 0.5)) as module,
        plain.borrow(handle_of(plain, network).with_patches(patch, 0.5)) as expected,
    ):
        assert off(output(module), output(expected)) < CLOSE
        assert off(output(module), before) > 10 * CLOSE
        assert bit_equal(state(module), state(expected))
    with fast.borrow(handle) as module:
        assert torch.equal(output(module), before)


def test_changes_of_low_rank_are_added_by_kernels_from_the_files_weights(network: Path) -> None:
    plain, fast = manager(compile=False), manager()
    drawn = torch.Generator().manual_seed(2)
    low_rank = LowRank(torch.randn(WIDTH, 4, generator=drawn), torch.randn(4, WIDTH, generator=drawn))
    patch = PatchSet(key="low rank", deltas={"first.weight": low_rank})
    for strength in (0.5, -2.0, 0.5):
        with (
            fast.borrow(handle_of(fast, network).with_patches(patch, strength)) as module,
            plain.borrow(handle_of(plain, network).with_patches(patch, strength)) as expected,
        ):
            changed, exact = state(module)["first.weight"], state(expected)["first.weight"]
            assert 0 < off(changed, exact) < CLOSE
    with fast.borrow(handle_of(fast, network)) as module, plain.borrow(handle_of(plain, network)) as expected:
        assert bit_equal(state(module), state(expected))


def test_parts_used_once_and_other_dtypes_are_computed_as_ever(network: Path) -> None:
    plain, fast = manager(compile=False), manager()
    with plain.borrow(plain.open(network)["vae"]) as expected, fast.borrow(fast.open(network)["vae"]) as module:
        assert torch.equal(output(module), output(expected))
    half = manager(dtype="bf16")
    with half.borrow(handle_of(half, network)) as module:
        assert module.first.weight.dtype == torch.bfloat16


def test_a_plugins_attention_goes_before(network: Path) -> None:
    calls: list[int] = []

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        calls.append(1)
        return value

    fast = manager(hook=WatchingHook(attention=attention))
    with fast.borrow(handle_of(fast, network)) as module:
        output(module)

    assert calls == [1]


def test_what_was_evicted_is_split_anew(network: Path) -> None:
    fast = manager()
    handle = handle_of(fast, network)
    with fast.borrow(handle) as module:
        before = output(module)
    (held,) = fast.report()
    fast.free()
    with fast.borrow(handle) as module:
        assert torch.equal(output(module), before)

    assert held.bytes > held.mapped_bytes


def test_gradients_are_those_of_the_true_weights(network: Path) -> None:
    plain, fast = manager(compile=False), manager()
    gradients = []
    for each in (plain, fast):
        with each.borrow(handle_of(each, network)) as module:
            x = torch.ones(1, 2, TOKENS, WIDTH, requires_grad=True)
            (module(x) ** 2).mean().backward()
            assert x.grad is not None
            gradients.append(x.grad)

    assert off(gradients[1], gradients[0]) < CLOSE
