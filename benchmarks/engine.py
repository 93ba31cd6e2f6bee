"""What the engine itself costs: graphs of trivial nodes, first run and again after one change.

``python -m benchmarks.engine [--json FILE]``. Times are CPU seconds of this process, validation included; the counts of
work done tell changes of the algorithm from a slow machine. Targets: 60 µs per node at first, 15 µs after one change.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.engine.caching.memory import MemoryCache
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue
from host.engine.events import Event
from host.engine.executor import Executor
from host.engine.validation.prompt import validate
from sdk.nodes import Input, NodeResult, NodeType, Output

Prompt = dict[str, dict[str, Any]]
NUMBER = Input(name="value", type="INT")
NODES = (
    NodeType(
        id="Number",
        inputs=(NUMBER,),
        outputs=(Output(type="INT", name="INT"),),
        run=lambda state, inputs, context: NodeResult(outputs=(inputs["value"],)),
    ),
    NodeType(
        id="Add",
        inputs=(Input(name="a", type="INT"), Input(name="b", type="INT")),
        outputs=(Output(type="INT", name="INT"),),
        run=lambda state, inputs, context: NodeResult(outputs=((inputs["a"] + inputs["b"]) % 1_000_003,)),
    ),
    NodeType(
        id="Show",
        inputs=(Input(name="v", type="INT"),),
        output_node=True,
        run=lambda state, inputs, context: NodeResult(ui={"text": [str(inputs["v"])]}),
    ),
)


@dataclass(frozen=True)
class BenchmarkJob:
    id: str = "benchmark"
    extra_data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Counter:
    """A sink that only counts."""

    events: int = 0

    def emit(self, event: Event) -> None:
        self.events += 1


def chain(length: int, change: int = 1) -> Prompt:
    """A number, ``length`` additions one after the other, and an output; ``change`` is a constant of the last one."""
    prompt: Prompt = {"0": {"class_type": "Number", "inputs": {"value": 1}}}
    for index in range(1, length + 1):
        constant = change if index == length else 1
        prompt[str(index)] = {"class_type": "Add", "inputs": {"a": [str(index - 1), 0], "b": constant}}
    prompt["out"] = {"class_type": "Show", "inputs": {"v": [str(length), 0]}}
    return prompt


def tree(size: int, change: int = 1) -> Prompt:
    """A binary tree of ``size`` nodes with different leaves and an output; ``change`` is the value of the last leaf."""
    prompt: Prompt = {}
    for index in range(size):
        left, right = 2 * index + 1, 2 * index + 2
        if right < size:
            prompt[str(index)] = {"class_type": "Add", "inputs": {"a": [str(left), 0], "b": [str(right), 0]}}
        elif left < size:
            prompt[str(index)] = {"class_type": "Add", "inputs": {"a": [str(left), 0], "b": 1}}
        else:
            value = change if index == size - 1 else index
            prompt[str(index)] = {"class_type": "Number", "inputs": {"value": value}}
    prompt["out"] = {"class_type": "Show", "inputs": {"v": ["0", 0]}}
    return prompt


def measure(make: Callable[[int, int], Prompt], size: int) -> dict[str, dict[str, float]]:
    """First run, the same again, and again after one change."""
    catalogue = Catalogue()
    for node in NODES:
        catalogue.add(node)
    executor = Executor(MemoryCache(2**31))
    steps = {"first": -1, "unchanged": -1, "one change": -2}
    return {name: _run(catalogue, executor, make(size, change)) for name, change in steps.items()}


def _run(catalogue: Catalogue, executor: Executor, prompt: Prompt) -> dict[str, float]:
    counter = Counter()
    before = executor.cache.counters()
    began = time.process_time()
    checked = validate(prompt, catalogue.current())
    validated = time.process_time()
    outcome = executor.run(BenchmarkJob(), checked, counter, Cancellation())
    ended = time.process_time()
    if outcome.failure is not None:
        raise RuntimeError(outcome.failure.message)
    after = executor.cache.counters()
    return {
        "nodes": len(prompt),
        "cpu_seconds": ended - began,
        "us_per_node": (ended - began) / len(prompt) * 1e6,
        "us_per_node_validation": (validated - began) / len(prompt) * 1e6,
        "executed": outcome.executed,
        "cached": outcome.cached,
        "events": counter.events,
        "cache_reads": after.hits + after.misses - before.hits - before.misses,
        "cache_writes": after.puts - before.puts,
    }


CASES: dict[str, tuple[Callable[[int, int], Prompt], int]] = {
    "chain of 900": (chain, 900),
    "chain of 5,000": (chain, 5_000),
    "chain of 20,000": (chain, 20_000),
    "tree of 4,000": (tree, 4_000),
    "tree of 25,000": (tree, 25_000),
    "tree of 100,000": (tree, 100_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    header = ("graph", "run", "CPU s", "µs/node", "of it validation", "executed", "cached", "cache reads", "events")
    print("{:18}{:12}{:>8}{:>9}{:>18}{:>10}{:>9}{:>13}{:>9}".format(*header))
    for name, (make, size) in CASES.items():
        figures[name] = measure(make, size)
        for step, row in figures[name].items():
            print(
                f"{name:18}{step:12}{row['cpu_seconds']:8.3f}{row['us_per_node']:9.1f}"
                f"{row['us_per_node_validation']:18.1f}{row['executed']:10}{row['cached']:9}"
                f"{row['cache_reads']:13}{row['events']:9}"
            )
    if options.json:
        options.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
