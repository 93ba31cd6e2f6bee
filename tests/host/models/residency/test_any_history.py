"""Whatever is borrowed, freed, replaced and fails in whatever order: results are right, and reports are true."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from torch import Tensor, nn

from host.models.computing.stand_in import StandIn
from host.models.errors import ModelError
from sdk.models import ModelHandle
from tests.host.models.doubles import FakeDevice, patch_set
from tests.host.models.towers import LAYERS, LEAST, SIZE, WIDTH, handle_in, tower_manager, write_tower

MODELS = 3
X = torch.linspace(-1, 1, WIDTH).reshape(1, -1)
CHANGES = {name: 0.01 * torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(7)) for name in ("a", "b")}
SETS = {
    name: patch_set(name, **{f"{layer}__weight": change for layer in range(number, LAYERS, 2)})
    for number, (name, change) in enumerate(CHANGES.items())
}
STRENGTHS = st.sampled_from([-0.5, 0.0, 1.0])
WORKS = [0, SIZE // 3, SIZE]
FULL = st.integers(0, 80)
"""After so many times the device is full once; 0 for never."""


class Unreliable(FakeDevice):
    """Is full once, after so many times that it was asked where tensors go."""

    asked_until_full = 0

    @property
    def torch_device(self) -> torch.device:
        self.asked_until_full -= 1
        if self.asked_until_full == 0:
            raise torch.OutOfMemoryError
        return torch.device("cpu")

    @contextmanager
    def full_after(self, asked: int) -> Iterator[None]:
        self.asked_until_full = asked
        try:
            yield
        finally:
            self.asked_until_full = 0


class Manager(RuleBasedStateMachine):
    """A manager, and what its modules should compute.

    ``stack`` has the borrows under way: each with its file, its module and what that gives.
    """

    @initialize(share=st.sampled_from([0.4, 0.8, 1.0, 1.6, 2.5, 4.0]))
    def start(self, share: float) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.device = Unreliable(max(LEAST, int(share * SIZE)))
        self.manager = tower_manager(self.device)
        self.seeds = 0
        self.modules: dict[int, nn.Module] = {}
        self.handles: dict[int, ModelHandle] = {}
        self.stack: list[tuple[int, AbstractContextManager[Any], nn.Module, Tensor]] = []
        for number in range(MODELS):
            self.replace(number)

    @rule(number=st.integers(0, MODELS - 1))
    def replace(self, number: int) -> None:
        """Put another model under the name of one that nobody has now."""
        if number in (each for each, *_ in self.stack):
            return
        self.seeds += 1
        self.modules[number] = write_tower(self.folder / "new.safetensors", self.seeds)
        path = (self.folder / "new.safetensors").replace(self.folder / f"{number}.safetensors")
        self.handles[number] = handle_in(self.manager, path)

    @precondition(lambda self: len(self.stack) < 4)
    @rule(number=st.integers(0, MODELS - 1), a=STRENGTHS, b=STRENGTHS, works=st.sampled_from(WORKS), full=FULL)
    def borrow(self, number: int, a: float, b: float, works: int, full: int) -> None:
        handle = self.handles[number].with_patches(SETS["a"], a).with_patches(SETS["b"], b)
        borrowed = self.manager.borrow(handle, working_bytes=works)
        with suppress(ModelError), self.device.full_after(full):
            module = borrowed.__enter__()
            self.stack.append((number, borrowed, module, self._expected(number, {"a": a, "b": b})))

    @precondition(lambda self: self.stack)
    @rule(error=st.sampled_from([None, KeyError("of the node")]), full=FULL)
    def give_back(self, error: Exception | None, full: int) -> None:
        """What goes wrong ends the borrows around it, too."""
        with self.device.full_after(full):
            raised = self._ended(error)
        while isinstance(raised, (ModelError, torch.OutOfMemoryError)) and self.stack:
            raised = self._ended(raised)

    @rule(unload=st.booleans())
    def free(self, unload: bool) -> None:
        self.manager.free(unload_models=unload)
        if unload:
            assert all(holding.borrowed for holding in self.manager.report())

    @precondition(lambda self: self.stack)
    @rule()
    def compute(self) -> None:
        latest = {number: (module, expected) for number, _, module, expected in self.stack}
        for module, expected in latest.values():
            torch.testing.assert_close(module(X), expected, atol=1e-4, rtol=1e-4)

    @invariant()
    def reports_are_true(self) -> None:
        if not hasattr(self, "manager"):
            return
        holdings = {holding.key: holding for holding in self.manager.report()}
        in_use = {self.handles[number].key: module for number, _, module, _ in self.stack}
        assert {key for key, holding in holdings.items() if holding.borrowed} == set(in_use)
        assert sum(holding.bytes for holding in holdings.values()) <= self.device.budget
        for key, module in in_use.items():
            assert holdings[key].bytes == sum(map(_bytes_there, module.parameters()))
            assert holdings[key].bytes + holdings[key].streamed_bytes == SIZE

    def teardown(self) -> None:
        while getattr(self, "stack", ()):
            self._ended(None)
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def _ended(self, error: BaseException | None) -> BaseException | None:
        """What a with block raises when it ends with that."""
        _, borrowed, _, _ = self.stack.pop()
        try:
            borrowed.__exit__(type(error) if error else None, error, None)
        except (KeyError, ModelError, torch.OutOfMemoryError) as raised:
            return raised
        return None

    def _expected(self, number: int, strengths: dict[str, float]) -> Tensor:
        x = X
        for layer, (linear, name) in enumerate(zip(self.modules[number].children(), "ab" * LAYERS, strict=False)):
            assert isinstance(linear, nn.Linear), layer
            x = nn.functional.linear(x, linear.weight + strengths[name] * CHANGES[name], linear.bias)
        return x


def _bytes_there(weight: Tensor) -> int:
    return 0 if isinstance(weight, StandIn) else weight.untyped_storage().nbytes()


Manager.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None, derandomize=True)
TestAnyHistory = Manager.TestCase
