"""Models borrowed in any order on a device that holds half of one: results are right, and the budget is kept."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from host.models.errors import OutOfBudget
from host.models.library import Library
from host.models.manager import ModelManager
from sdk.models import Header, Identity, ModelHandle, Part, Refusal, TensorSource
from tests.host.models.doubles import FakeDevice, patch_set

WIDTH, LAYERS, MODELS = 160, 8, 3
SIZE = LAYERS * 4 * (WIDTH * WIDTH + WIDTH)
X = torch.linspace(-1, 1, WIDTH).reshape(1, -1)


def stack() -> nn.Module:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))


class StackFamily:
    name = "stack"

    def identify(self, header: Header) -> Identity | Refusal:
        return Identity(family=self.name, kind="checkpoint", config={}, because="")

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        return [Part(name="denoiser", build=stack, weights={key: TensorSource(key) for key in header.tensors})]


class Unreliable(FakeDevice):
    """A device that now and then is fuller than it says."""

    failing = 0.0
    chance = random.Random(0)

    @property
    def torch_device(self) -> torch.device:
        if self.chance.random() < self.failing:
            raise torch.OutOfMemoryError
        return torch.device("cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, dict[str, Tensor]]]:
    """Files with their weights."""
    folder, generator = tmp_path_factory.mktemp("stacks"), torch.Generator().manual_seed(0)
    models = []
    for number in range(MODELS):
        shapes = {name: tensor.shape for name, tensor in stack().state_dict().items()}
        weights = {name: torch.randn(shape, generator=generator) / WIDTH**0.5 for name, shape in shapes.items()}
        save_file(weights, folder / f"{number}.safetensors")
        models.append((folder / f"{number}.safetensors", weights))
    return models


def expected(weights: dict[str, Tensor], strength: float) -> Tensor:
    module = stack()
    module.load_state_dict(weights | {"3.weight": weights["3.weight"] + strength * CHANGE})
    with torch.no_grad():
        result: Tensor = module(X)
    return result


CHANGE = torch.full((WIDTH, WIDTH), 0.01)


@contextmanager
def borrowed(manager: ModelManager, handle: ModelHandle, strength: float) -> Iterator[nn.Module]:
    patched = handle.with_patches(patch_set("change", **{"3__weight": CHANGE}), strength) if strength else handle
    with manager.borrow(patched, working_bytes=1000) as module:
        yield module


@pytest.mark.parametrize("failing", [0.0, 0.01])
@pytest.mark.parametrize("share", [0.45, 0.7, 1.0, 2.2])
def test_any_order_gives_the_right_results_within_the_budget(
    share: float, failing: float, stored: list[tuple[Path, dict[str, Tensor]]]
) -> None:
    chance, device = random.Random(1), Unreliable(int(SIZE * share) + 10_000)
    device.chance = random.Random(2)
    manager = ModelManager(Library([]), [StackFamily()], [], device)
    handles = [manager.open(path)["denoiser"] for path, _ in stored]
    device.failing, done = failing, 0
    for _ in range(25):
        one, other = chance.sample(range(MODELS), 2)
        strength = chance.choice([0.0, 0.5, 1.0])
        try:
            with borrowed(manager, handles[one], strength) as module:
                assert torch.allclose(module(X), expected(stored[one][1], strength), atol=1e-5)
                if share > 2 or chance.random() < 0.3:
                    with borrowed(manager, handles[other], 0.5) as inner:
                        assert torch.allclose(inner(X), expected(stored[other][1], 0.5), atol=1e-5)
                assert torch.allclose(module(X), expected(stored[one][1], strength), atol=1e-5)
                done += 1
                if chance.random() < 0.2:
                    raise KeyError
        except (KeyError, OutOfBudget, torch.OutOfMemoryError):
            pass
        assert sum(holding.bytes for holding in manager.report()) <= device.budget
        assert not any(holding.borrowed for holding in manager.report())
    assert done >= 5
    device.failing = 0.0
    manager.free()
    assert manager.report() == ()
