"""Nodes that become sub-graphs while they run."""

from __future__ import annotations

from typing import Any

import pytest

from host.engine.caching.cache import NoCache
from host.engine.outcome import RunState
from sdk.markers import Hidden
from sdk.nodes import NodeResult, NodeType, Output
from tests.support.engine import Bench, make_node


def expanding(
    make: Any, inputs: dict[str, str] | None = None, outputs: tuple[str, ...] = ("INT",), **options: Any
) -> NodeType:
    return make_node("Grow", make, inputs or {"n": "INT"}, outputs, hidden={"uid": Hidden.UNIQUE_ID}, **options)


def countdown(n: int, uid: str) -> NodeResult:
    """n + (n - 1) + … + 0, one level of expansion for each."""
    if n == 0:
        return NodeResult(outputs=(0,))
    graph = {
        f"{uid}.sum": {"class_type": "Add", "inputs": {"a": [f"{uid}.less", 0], "b": n}},
        f"{uid}.less": {"class_type": "Grow", "inputs": {"n": n - 1}},
    }
    return NodeResult(outputs=([f"{uid}.sum", 0],), expand=graph)


def test_a_node_may_expand_into_itself() -> None:
    bench = Bench(expanding(countdown))
    prompt = {"1": ("Grow", {"n": 4}), "2": ("Show", {"v": ["1", 0]})}
    assert bench.shown(prompt) == {"2": ["10"]}
    assert bench.shown(prompt) == {"2": ["10"]}
    assert bench.seen.started == []


def test_hundreds_of_levels_are_no_recursion() -> None:
    bench = Bench(expanding(countdown), cache=NoCache())
    assert bench.shown({"1": ("Grow", {"n": 1_200}), "2": ("Show", {"v": ["1", 0]})}) == {"2": ["720600"]}


def test_nodes_of_an_expansion_know_whom_they_stem_from() -> None:
    bench = Bench(expanding(countdown))
    bench.run({"1": ("Grow", {"n": 2}), "2": ("Show", {"v": ["1", 0]})})
    refs = {event.node.node_id: event.node for event in bench.seen.events if hasattr(event, "node")}
    assert refs["1.less.less"] == ("1.less.less", "1", "1.less", "1")


def test_a_mapped_node_expands_once_per_item() -> None:
    calls = iter("xyz")

    def grow(n: int, uid: str) -> NodeResult:
        new = f"{uid}.{next(calls)}"
        return NodeResult(outputs=([new, 0],), expand={new: {"class_type": "Add", "inputs": {"a": n, "b": 100}}})

    listed = NodeType(
        id="Three",
        run=lambda state, inputs, context: NodeResult(outputs=([1, 2, 3],)),
        outputs=(Output(type="INT", name="INT", is_list=True),),
        pack="test",
    )
    bench = Bench(expanding(grow), listed)
    prompt = {"0": ("Three", {}), "1": ("Grow", {"n": ["0", 0]}), "2": ("Show", {"v": ["1", 0]})}
    assert bench.shown(prompt) == {"2": ["101", "102", "103"]}


def test_an_output_linked_to_a_list_is_the_whole_list() -> None:
    listed = NodeType(
        id="Three",
        run=lambda state, inputs, context: NodeResult(outputs=([1, 2, 3],)),
        outputs=(Output(type="INT", name="INT", is_list=True),),
        pack="test",
    )

    def grow(n: int, uid: str) -> NodeResult:
        return NodeResult(outputs=([f"{uid}.l", 0], n), expand={f"{uid}.l": {"class_type": "Three", "inputs": {}}})

    bench = Bench(expanding(grow, outputs=("INT", "INT")), listed)
    prompt = {"1": ("Grow", {"n": 9}), "2": ("Show", {"v": ["1", 0]}), "3": ("Show", {"v": ["1", 1]})}
    assert bench.shown(prompt) == {"2": ["1", "2", "3"], "3": ["9"]}


def linking_to(target: str, *, after: str) -> dict[str, Any]:
    """A prompt in which an expansion reads ``target`` when everybody known to need it has read it."""
    return {
        "base": ("Number", {"value": 40}),
        "mid": ("Add", {"a": ["base", 0], "b": 0}),
        "late": ("Add", {"a": ["mid", 0], "b": 1}),
        "1": ("Link", {"n": 2, "target": target, "after": [after, 0]}),
        "2": ("Show", {"v": ["1", 0]}),
    }


def link(n: int, target: str, after: Any, uid: str) -> NodeResult:
    new = f"{uid}.x"
    graph = {new: {"class_type": "Add", "inputs": {"a": [target, 0], "b": n}}}
    return NodeResult(outputs=([new, 0],), expand=graph)


LINK = make_node("Link", link, {"n": "INT", "target": "STRING", "after": "*"}, hidden={"uid": Hidden.UNIQUE_ID})


@pytest.mark.parametrize(("target", "runs"), [("base", 2), ("mid", 2), ("late", 1)])
def test_an_expansion_may_link_to_a_node_whose_result_nobody_was_known_to_need(target: str, runs: int) -> None:
    bench = Bench(LINK, cache=NoCache())
    expected = 43 if target == "late" else 42
    assert bench.shown(linking_to(target, after="late")) == {"2": [str(expected)]}
    assert bench.seen.started.count("base") == runs


def test_a_node_that_expanded_does_not_run_again_for_a_late_reader() -> None:
    bench = Bench(LINK, expanding(countdown), cache=NoCache())
    prompt = {
        "g": ("Grow", {"n": 3}),
        "late": ("Add", {"a": ["g", 0], "b": 0}),
        "1": ("Link", {"n": 2, "target": "g", "after": ["late", 0]}),
        "2": ("Show", {"v": ["1", 0]}),
    }
    assert bench.shown(prompt) == {"2": ["8"]}
    assert bench.seen.started.count("g") == 1


def test_a_tensor_like_constant_in_an_expansion_is_passed_on_and_not_cached() -> None:
    class Blob:
        def __add__(self, other: int) -> str:
            return f"blob+{other}"

    def grow(n: int, uid: str) -> NodeResult:
        return NodeResult(
            outputs=([f"{uid}.x", 0],), expand={f"{uid}.x": {"class_type": "Add", "inputs": {"a": Blob(), "b": n}}}
        )

    assert Bench(expanding(grow)).shown({"1": ("Grow", {"n": 2}), "2": ("Show", {"v": ["1", 0]})}) == {"2": ["blob+2"]}


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"2": {"class_type": "Number", "inputs": {"value": 1}}}, "expands into a node '2'"),
        ({"x": {"class_type": "Nothing", "inputs": {}}}, "a class 'Nothing'"),
        ({"x": {"class_type": "Add", "inputs": {"a": ["nowhere", 0], "b": 1}}}, "a node 'nowhere'"),
        ({"x": {"inputs": {}}}, "a class None"),
    ],
)
def test_a_broken_expansion_is_an_error_of_its_node(graph: dict[str, Any], says: str) -> None:
    node = expanding(lambda n, uid: NodeResult(outputs=(["x", 0],), expand=graph))
    outcome = Bench(node).run({"1": ("Grow", {"n": 1}), "2": ("Show", {"v": ["1", 0]})})
    assert outcome.state is RunState.FAILED
    assert outcome.failure is not None
    assert outcome.failure.node.node_id == "1"
    assert says in outcome.failure.message


def test_a_cycle_made_by_an_expansion_is_blamed_on_the_node_that_made_it() -> None:
    def grow(n: int, uid: str) -> NodeResult:
        graph = {
            "p": {"class_type": "Add", "inputs": {"a": ["q", 0], "b": 1}},
            "q": {"class_type": "Add", "inputs": {"a": ["p", 0], "b": 1}},
        }
        return NodeResult(outputs=(["p", 0],), expand=graph)

    outcome = Bench(expanding(grow)).run({"1": ("Grow", {"n": 1}), "2": ("Show", {"v": ["1", 0]})})
    assert outcome.failure is not None
    assert outcome.failure.node.real_id == "1"
    assert "Dependency cycle" in outcome.failure.message


def test_an_expansion_that_waits_for_its_own_parent_is_a_cycle() -> None:
    def grow(n: int, uid: str) -> NodeResult:
        graph = {f"{uid}.x": {"class_type": "Add", "inputs": {"a": [uid, 0], "b": 1}}}
        return NodeResult(outputs=([f"{uid}.x", 0],), expand=graph)

    outcome = Bench(expanding(grow)).run({"1": ("Grow", {"n": 1}), "2": ("Show", {"v": ["1", 0]})})
    assert outcome.failure is not None
    assert outcome.failure.error_type == "graph.DependencyCycleError"
