"""What observers of a run are told, and what it means when one of them raises."""

from __future__ import annotations

import logging
from typing import Any

import pluggy
import pytest

from host.engine import hookspecs
from host.engine.outcome import RunState
from sdk.hooks import PROJECT, hookimpl
from sdk.nodes import NodeResult, NodeType
from tests.support.engine import LISTED, Bench, make_node


class Observer:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def before_job(self, job: Any) -> None:
        self.seen.append(("job", job.id))

    @hookimpl
    def before_node(self, node_id: str) -> None:
        self.seen.append(("before", node_id))

    @hookimpl
    def after_node(self, node_id: str, node: NodeType, result: NodeResult, seconds: float) -> None:
        self.seen.append(("after", node_id, node.id, result.outputs, seconds >= 0))

    @hookimpl
    def on_node_error(self, node_id: str, error: BaseException) -> None:
        self.seen.append(("error", node_id, str(error)))

    @hookimpl
    def after_job(self, seconds: float) -> None:
        self.seen.append(("done", seconds >= 0))


def hooks(*plugins: object) -> Any:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        manager.register(plugin)
    return manager.hook


def test_observers_see_nodes_that_run_and_not_those_from_the_cache() -> None:
    observer = Observer()
    bench = Bench(LISTED, hooks=hooks(observer))
    prompt = {"1": ("Listed", {"n": 2}), "2": ("Add", {"a": ["1", 0], "b": 1}), "3": ("Show", {"v": ["2", 0]})}
    bench.run(prompt)
    assert observer.seen == [
        ("job", "job"),
        ("before", "1"),
        ("after", "1", "Listed", ([0, 1],), True),
        ("before", "2"),
        ("after", "2", "Add", ([1, 2],), True),
        ("before", "3"),
        ("after", "3", "Show", (), True),
        ("done", True),
    ]
    observer.seen.clear()
    bench.run(prompt)
    assert observer.seen == [("job", "job"), ("done", True)]


def test_observers_see_errors() -> None:
    observer = Observer()
    Bench(make_node("Fail", lambda: 1 / 0, output_node=True), hooks=hooks(observer)).run({"1": ("Fail", {})})
    assert ("error", "1", "division by zero") in observer.seen
    assert observer.seen[-1] == ("done", True)


def test_an_observer_that_raises_fails_the_node_it_was_called_for() -> None:
    class Broken:
        @hookimpl
        def before_node(self) -> None:
            raise RuntimeError("observer broken")

    failure = Bench(hooks=hooks(Broken())).run({"1": ("Show", {"v": 1})}).failure
    assert failure is not None
    assert failure.message == "observer broken"


def test_an_observer_of_the_job_that_raises_is_logged_and_the_job_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @hookimpl
        def before_job(self) -> None:
            raise RuntimeError("too early")

        @hookimpl
        def after_job(self) -> None:
            raise RuntimeError("too late")

        @hookimpl
        def on_node_error(self) -> None:
            raise RuntimeError("worse")

    bench = Bench(make_node("Fail", lambda: 1 / 0, output_node=True), hooks=hooks(Broken()))
    with caplog.at_level(logging.ERROR):
        outcome = bench.run({"1": ("Fail", {})})
    assert outcome.failure is not None
    assert outcome.failure.message == "division by zero"
    assert all(text in caplog.text for text in ("too early", "too late", "worse"))
    assert bench.run({"1": ("Show", {"v": 1})}).state is RunState.SUCCEEDED


def test_an_observer_that_raises_after_an_expansion_fails_the_expanding_node() -> None:
    class Broken:
        @hookimpl
        def after_node(self, node: NodeType) -> None:
            if node.id == "Grow":
                raise RuntimeError("observer broken")

    inner = {"i": {"class_type": "Number", "inputs": {"value": 1}}}
    grow = make_node("Grow", lambda: NodeResult(outputs=(["i", 0],), expand=inner))
    failure = Bench(grow, hooks=hooks(Broken())).run({"1": ("Grow", {}), "2": ("Show", {"v": ["1", 0]})}).failure
    assert failure is not None
    assert (failure.node.node_id, failure.message) == ("1", "observer broken")
