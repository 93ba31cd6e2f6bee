from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from host.models.computing.compiling import Compiler, repeated_blocks
from host.models.computing.cpu_weight import CpuWeight
from host.models.computing.stand_in import StandIn
from host.models.errors import CompilingFailed
from host.models.residency.ledger import Ledger
from sdk.models import RUN_EAGERLY


class Block(nn.Module):
    """A convolution, a linear layer, and something between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.silu(self.norm(self.convolution(x)))
        return x + self.linear(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Network(nn.Module):
    """Three blocks with one input layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 1)
        self.blocks = nn.ModuleList([Block(8) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x


def make_network() -> Network:
    """With stand-ins for the weights of its blocks' layers."""
    torch.manual_seed(0)
    network = Network().requires_grad_(False).eval()
    for block in network.blocks:
        assert isinstance(block, Block)
        for layer, packs in ((block.convolution, True), (block.linear, False)):
            weight = CpuWeight(
                layer.weight.detach().clone,
                torch.float32,
                Ledger(room=10**9),
                packs=packs,
                multiplies=not packs,
                release=lambda: None,
            )
            layer._parameters["weight"] = StandIn(weight)  # type: ignore[assignment]
    return network


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The graphs that a backend named inductor is given; it runs them as they are."""
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any, **options: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, **options: compile_with(call, dynamic=True, backend=backend))
    torch._dynamo.reset()
    yield graphs
    torch._dynamo.reset()


def test_blocks_are_the_innermost_listed_modules_with_several_layers() -> None:
    network = make_network()
    outer = nn.ModuleList([nn.Sequential(nn.ModuleList([Block(8)]), nn.Linear(8, 8)), nn.Linear(2, 2)])
    assert repeated_blocks(network) == list(network.blocks)
    assert [type(block) for block in repeated_blocks(outer)] == [Block]


def test_one_graph_without_weights_serves_all_blocks_sizes_and_weights(traced: list[Any]) -> None:
    network, compiler = make_network(), Compiler()
    with torch.inference_mode():
        for strength in (1.0, 0.5):
            for size in (6, 10):
                x = torch.randn(2, 4, size, size + 3).contiguous(memory_format=torch.channels_last)
                for block in network.blocks:
                    assert isinstance(block, Block)
                    made: Any = block.linear.weight
                    made.made.write(strength * made.made.dense())
                expected = network(x)
                with compiler.compiled(network, "inductor", must=True):
                    assert torch.allclose(network(x), expected, atol=1e-5)
                assert torch.equal(network(x), expected)
    assert len(traced) == 1
    assert type(network.blocks[0].get_submodule("linear")) is nn.Linear


def test_what_changes_from_call_to_call_runs_as_it_is(traced: list[Any]) -> None:
    network, x = make_network(), torch.randn(1, 4, 6, 6)
    network.run_eagerly = True
    assert RUN_EAGERLY == "run_eagerly"
    with torch.inference_mode(), Compiler().compiled(network, "inductor", must=True):
        network(x)
    with torch.enable_grad():
        network(x)
    assert not traced


class Refuses:
    """A backend that can compile nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, graph: Any, inputs: Any, **options: Any) -> Any:
        self.asked += 1
        raise RuntimeError("no room for it")


def test_where_compiling_fails_the_model_runs_as_it_is_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuses, compile_with = Refuses(), torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, **options: compile_with(call, backend=refuses))
    network, x, compiler = make_network(), torch.randn(1, 4, 6, 6), Compiler()
    torch._dynamo.reset()
    with torch.inference_mode(), caplog.at_level(logging.WARNING, logger="host.models.computing.compiling"):
        expected = network(x)
        for _ in range(2):
            with compiler.compiled(network, "inductor", must=False):
                assert torch.allclose(network(x), expected, atol=1e-5)
        assert refuses.asked == 1
        assert ["no room for it" in message for message in caplog.messages] == [True]
        with pytest.raises(CompilingFailed, match="no room for it"), compiler.compiled(network, "inductor", must=True):
            network(x)
    torch._dynamo.reset()


def test_cuda_graphs_of_a_model_on_the_cpu_are_refused_with_what_to_do() -> None:
    refused = Compiler().compiled(make_network(), "cudagraphs", must=True)
    with pytest.raises(CompilingFailed, match="use inductor"), refused:
        pass


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    refused = Compiler().compiled(make_network(), "inductor", must=True)
    with pytest.raises(CompilingFailed, match=r"install g\+\+"), refused:
        pass
