"""Nodes that run beside each other: asynchronous ones, and thread-safe ones."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

from host.engine.events import JobInterrupted, NodeFinished, NodeStarted
from host.engine.outcome import RunState
from sdk.nodes import NodeResult, NodeType, Output
from tests.support.engine import Bench, make_node


def meeting(parties: int, **options: Any) -> NodeType:
    """A node whose calls end only when so many are under way at once."""
    barrier = threading.Barrier(parties, timeout=20)
    return make_node("Meet", lambda v: barrier.wait() * 0 + v, {"v": "INT"}, **options)


def test_thread_safe_nodes_overlap() -> None:
    bench = Bench(meeting(2, thread_safe=True))
    prompt = {
        "1": ("Meet", {"v": 1}),
        "2": ("Meet", {"v": 2}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"v": ["3", 0]}),
    }
    assert bench.shown(prompt) == {"4": ["3"]}


def test_quick_thread_safe_nodes_stay_on_the_runs_own_thread() -> None:
    threads: list[str] = []
    quick = make_node(
        "Quick", lambda v: threads.append(threading.current_thread().name) or v, {"v": "INT"}, thread_safe=True
    )
    ticks = iter(range(10**6))
    bench = Bench(quick, timer=lambda: next(ticks) * 1e-6)
    for turn in range(3):
        threads.clear()
        nodes = {str(i): ("Quick", {"v": i + 100 * turn}) for i in range(8)}
        shows = {f"o{i}": ("Show", {"v": [str(i), 0]}) for i in range(8)}
        bench.shown({**nodes, **shows})
    assert not any(name.startswith("node") for name in threads)


def awaiting(**options: Any) -> tuple[NodeType, list[str]]:
    """A node whose calls wait until two of them are under way."""
    arrived: list[str] = []

    async def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        arrived.append(context.node_id)
        while len(arrived) < 2:
            await asyncio.sleep(0)
        return NodeResult(outputs=(inputs["v"],))

    base = make_node("Wait", lambda v: v, {"v": "INT"}, **options)
    node = NodeType(id="Wait", run=run, inputs=base.inputs, outputs=(Output(type="INT", name="INT"),), pack="test")
    return node, arrived


def test_asynchronous_nodes_overlap_with_each_other() -> None:
    node, arrived = awaiting()
    bench = Bench(node)
    prompt = {
        "1": ("Wait", {"v": 1}),
        "2": ("Wait", {"v": 2}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"v": ["3", 0]}),
    }
    assert bench.shown(prompt) == {"4": ["3"]}
    assert sorted(arrived) == ["1", "2"]
    events = [(type(e), e.node.node_id) for e in bench.seen.events if isinstance(e, NodeStarted | NodeFinished)]
    assert {node for kind, node in events[:2] if kind is NodeStarted} == {"1", "2"}


def test_the_calls_of_one_asynchronous_node_overlap_and_keep_their_order() -> None:
    node, _ = awaiting()
    listed = NodeType(
        id="Two",
        run=lambda state, inputs, context: NodeResult(outputs=([5, 6],)),
        outputs=(Output(type="INT", name="INT", is_list=True),),
        pack="test",
    )
    prompt = {"1": ("Two", {}), "2": ("Wait", {"v": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    assert Bench(node, listed).shown(prompt) == {"3": ["5", "6"]}


def test_threads_and_awaited_calls_wait_for_each_other() -> None:
    event = threading.Event()

    async def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        while not event.is_set():
            await asyncio.sleep(0.001)
        return NodeResult(outputs=(1,))

    waits = NodeType(id="Waits", run=run, outputs=(Output(type="INT", name="INT"),), pack="test")

    def work() -> int:
        event.set()
        return 2

    bench = Bench(waits, make_node("Sets", work, thread_safe=True))
    prompt = {
        "1": ("Waits", {}),
        "2": ("Sets", {}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"v": ["3", 0]}),
    }
    assert bench.shown(prompt) == {"4": ["3"]}


def test_a_failure_cancels_what_is_awaited() -> None:
    ended: list[str] = []

    async def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append("cancelled")
        return NodeResult()

    forever = NodeType(id="Forever", run=run, output_node=True, pack="test")
    outcome = Bench(forever, make_node("Fail", lambda: 1 / 0, output_node=True)).run(
        {"1": ("Forever", {}), "2": ("Fail", {})}
    )
    assert outcome.state is RunState.FAILED
    assert ended == ["cancelled"]


def test_an_awaited_failure_is_the_nodes_failure() -> None:
    async def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        await asyncio.sleep(0)
        raise ValueError("late")

    failure = Bench(NodeType(id="Late", run=run, output_node=True, pack="test")).run({"1": ("Late", {})}).failure
    assert failure is not None
    assert (failure.message, failure.node.node_id) == ("late", "1")


def test_cancelling_ends_the_wait_for_awaited_calls() -> None:
    async def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        bench.cancel.cancel()
        await asyncio.sleep(1_000)
        return NodeResult()

    bench = Bench(NodeType(id="Forever", run=run, output_node=True, pack="test"))
    outcome = bench.run({"1": ("Forever", {})})
    assert outcome.state is RunState.CANCELLED
    assert [event.node.node_id for event in bench.seen.of(JobInterrupted)] == ["1"]


def test_an_ordinary_node_may_run_a_loop_of_its_own() -> None:
    node, _ = awaiting()

    async def answer() -> int:
        await asyncio.sleep(0)
        return 3

    bench = Bench(node, make_node("Loops", lambda: asyncio.run(answer())))
    prompt = {
        "1": ("Wait", {"v": 1}),
        "2": ("Loops", {}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Wait", {"v": 0}),
        "5": ("Show", {"v": ["3", 0]}),
        "6": ("Show", {"v": ["4", 0]}),
    }
    assert bench.shown(prompt) == {"5": ["4"], "6": ["0"]}


def test_the_engine_imports_neither_asyncio_nor_torch_before_a_node_needs_them() -> None:
    code = "import host.engine.executor, sys; print(sorted({'asyncio', 'torch', 'fastapi'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"
