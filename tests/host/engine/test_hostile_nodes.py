"""Nodes that raise oddly, never come back, or change what they were given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from host.engine.caching.cache import LastPromptCache, Stored
from host.engine.caching.memory import MemoryCache
from host.engine.events import NodeFinished
from host.engine.outcome import RunState
from host.engine.services import file_stamp
from sdk.nodes import Input, NodeResult, NodeType, Output
from tests.support.engine import LISTED, Bench, make_node


@pytest.mark.parametrize("error", [asyncio.CancelledError("mine"), GeneratorExit("mine"), StopIteration("mine")])
def test_whatever_a_node_raises_is_its_own_failure(error: BaseException) -> None:
    def run(state: Any, inputs: Any, context: Any) -> Any:
        raise error

    outcome = Bench(NodeType(id="Odd", run=run, output_node=True, pack="test")).run({"1": ("Odd", {})})
    assert outcome.state is RunState.FAILED
    assert outcome.failure is not None
    assert outcome.failure.message == "mine"


def test_an_asynchronous_node_that_cancels_itself_fails() -> None:
    async def run(state: Any, inputs: Any, context: Any) -> NodeResult:
        raise asyncio.CancelledError("mine")

    outcome = Bench(NodeType(id="Odd", run=run, output_node=True, pack="test")).run({"1": ("Odd", {})})
    assert outcome.state is RunState.FAILED


def test_an_expansion_whose_result_does_not_fit_is_the_expanding_nodes_failure() -> None:
    inner = {"i": {"class_type": "Number", "inputs": {"value": 1}}}

    def run(state: Any, inputs: Any, context: Any) -> NodeResult:
        return NodeResult(outputs=(["i", 0], 5), expand=inner)

    outputs = (Output(type="INT", name="a"), Output(type="INT", name="b", is_list=True))
    node = NodeType(id="Grow", run=run, outputs=outputs, pack="test")
    failure = Bench(node).run({"1": ("Grow", {}), "2": ("Show", {"v": ["1", 0]})}).failure
    assert failure is not None
    assert (failure.node.node_id, failure.error_type) == ("1", "TypeError")


def test_cancelling_ends_an_asynchronous_wish_for_lazy_inputs() -> None:
    bench = Bench()

    async def forever() -> list[str]:
        bench.cancel.cancel()
        await asyncio.Event().wait()
        return []

    inputs = [Input(name="a", type="INT", options={"lazy": True})]
    bench.catalogue.add(make_node("Ask", lambda a: a, inputs, lazy=lambda state, given: forever()))
    outcome = bench.run({"1": ("Number", {"value": 1}), "2": ("Ask", {"a": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})})
    assert outcome.state is RunState.CANCELLED


def test_tasks_that_a_node_left_behind_end_with_the_run() -> None:
    ended: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("background")

    async def run(state: Any, inputs: Any, context: Any) -> NodeResult:
        tasks.append(asyncio.ensure_future(background()))
        await asyncio.sleep(0)
        return NodeResult()

    bench = Bench(NodeType(id="Spawn", run=run, output_node=True, pack="test"))
    assert bench.run({"1": ("Spawn", {})}).state is RunState.SUCCEEDED
    assert ended == ["background"]


def test_cancelling_ends_a_node_between_the_items_of_a_list() -> None:
    bench = Bench(LISTED)
    calls: list[int] = []

    def work(v: int) -> int:
        calls.append(v)
        if v == 3:
            bench.cancel.cancel()
        return v

    bench.catalogue.add(make_node("Each", work, {"v": "INT"}))
    prompt = {"1": ("Listed", {"n": 100_000}), "2": ("Each", {"v": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    assert bench.run(prompt).state is RunState.CANCELLED
    assert calls == [0, 1, 2, 3]


def test_a_node_that_changes_its_list_does_not_change_the_cached_one() -> None:
    greedy = make_node("Greedy", lambda v: v.pop(), {"v": "INT"}, takes_lists=True)
    total = make_node("Total", lambda v: sum(v), {"v": "INT"}, takes_lists=True)
    bench = Bench(LISTED, greedy, total, cache=MemoryCache(2**20))
    prompt = {"1": ("Listed", {"n": 3}), "2": ("Greedy", {"v": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    assert bench.shown(prompt) == {"3": ["2"]}
    assert bench.shown({**prompt, "2": ("Total", {"v": ["1", 0]})}) == {"3": ["3"]}
    assert bench.seen.cached == ["1"]


class Liar(LastPromptCache):
    """Says it has what it was given, and has nothing; counts how often it was asked."""

    asked = 0

    def get(self, key: bytes) -> Stored | None:
        self.asked += 1
        return None


def test_results_lost_from_a_wide_fan_in_are_asked_for_together() -> None:
    width = 500
    names = [f"v{i}" for i in range(width)]
    wide = make_node("Wide", lambda **v: sum(v.values()), dict.fromkeys(names, "INT"))
    cache = Liar()
    bench = Bench(wide, cache=cache)
    prompt: dict[str, Any] = {f"n{i}": ("Number", {"value": i}) for i in range(width)}
    prompt["wide"] = ("Wide", {name: [f"n{i}", 0] for i, name in enumerate(names)})
    prompt["out"] = ("Show", {"v": ["wide", 0]})
    assert bench.shown(prompt) == {"out": [str(sum(range(width)))]}
    cache.asked = 0
    assert bench.shown(prompt) == {"out": [str(sum(range(width)))]}
    assert cache.asked < 10 * width


def test_many_asynchronous_nodes_run_beside_each_other() -> None:
    calls: list[int] = []

    async def run(state: Any, inputs: Any, context: Any) -> NodeResult:
        calls.append(inputs["v"])
        await asyncio.sleep(0)
        return NodeResult(outputs=(inputs["v"],))

    outputs = (Output(type="INT", name="INT"),)
    bench = Bench(NodeType(id="Wait", run=run, inputs=(Input(name="v", type="INT"),), outputs=outputs, pack="test"))
    prompt: dict[str, Any] = {f"w{i}": ("Wait", {"v": i}) for i in range(500)}
    prompt |= {f"o{i}": ("Show", {"v": [f"w{i}", 0]}) for i in range(500)}
    assert len(bench.shown(prompt)) == 500
    assert sorted(calls) == list(range(500))
    assert len(bench.seen.of(NodeFinished)) == 1_000


@pytest.mark.parametrize("value", [[float("nan")], {"a": (1, float("nan"))}])
def test_a_fingerprint_with_nan_inside_never_repeats(value: Any) -> None:
    bench = Bench(make_node("Odd", lambda: 1, fingerprint=lambda inputs: value))
    prompt = {"1": ("Odd", {}), "2": ("Show", {"v": ["1", 0]})}
    bench.run(prompt)
    bench.run(prompt)
    assert bench.seen.started == ["1", "2"]


def test_a_file_named_by_another_node_is_read_again_each_time() -> None:
    bench = Bench(make_node("Read", lambda path: path, {"path": "INT"}, reads=("path",)))
    prompt = {"1": ("Number", {"value": 1}), "2": ("Read", {"path": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    bench.run(prompt)
    bench.run(prompt)
    assert bench.seen.started == ["2", "3"]


def test_a_file_name_with_a_nul_is_a_missing_file() -> None:
    class Anywhere:
        def input_file(self, name: str) -> Path:
            return Path("/") / name

    folders: Any = Anywhere()
    assert file_stamp(folders, None, "a\0b") is None


def test_another_state_of_the_same_version_makes_other_keys() -> None:
    bench = Bench(make_node("Make", lambda: 1, revision="a"))
    prompt = {"1": ("Make", {}), "2": ("Show", {"v": ["1", 0]})}
    assert bench.shown(prompt) == {"2": ["1"]}
    newer = Bench(make_node("Make", lambda: 2, revision="b"), cache=bench.executor.cache)
    assert newer.shown(prompt) == {"2": ["2"]}
