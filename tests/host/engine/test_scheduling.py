"""In which order nodes run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.engine.graph import GraphNode
from host.engine.scheduling import Schedule
from host.engine.schemas import Schema
from sdk.nodes import Input, NodeType
from tests.support.engine import make_node

PLAIN = Schema(make_node("Plain", lambda: 1), {})
OUTPUT = Schema(make_node("Out", lambda: 1, output_node=True), {})


async def _run(state: Any, inputs: Any, context: Any) -> Any:
    return None


AWAITED = Schema(NodeType(id="Awaited", run=_run), {})
LAZY = Schema(make_node("Lazy", lambda: 1, [Input(name="i0", type="*", options={"lazy": True})], output_node=True), {})


def graph(links: dict[str, str], **schemas: Schema) -> dict[str, GraphNode]:
    """Nodes from ``{"c": "ab"}``: c is linked to a and b, in this order."""
    return {
        name: GraphNode(
            name, "", schemas.get(name, PLAIN), {}, tuple((f"i{n}", s, 0) for n, s in enumerate(sources)), ()
        )
        for name, sources in links.items()
    }


def order(nodes: dict[str, GraphNode], *outputs: str, available: str = "") -> str:
    schedule = Schedule(nodes, set(available).__contains__)
    for output in outputs:
        schedule.add(output)
    ran = ""
    while (node := schedule.pop()) is not None:
        ran += node
        schedule.complete(node)
    assert len(schedule) == 0
    return ran


def test_the_input_linked_last_is_computed_first() -> None:
    assert order(graph({"a": "", "b": "", "c": "ab", "o": "c"}, o=OUTPUT), "o") == "baco"


def test_a_ready_output_goes_before_everything_else() -> None:
    assert order(graph({"a": "", "o": "a", "b": "a", "p": "b"}, o=OUTPUT, p=OUTPUT), "p", "o") == "aobp"


def test_what_brings_an_output_closest_goes_first() -> None:
    nodes = graph({"a": "", "b": "", "c": "b", "d": "c", "o": "d", "p": "a"}, o=OUTPUT, p=OUTPUT)
    assert order(nodes, "o", "p") == "apbcdo"


def test_asynchronous_nodes_start_early() -> None:
    assert order(graph({"a": "", "b": "", "c": "ab", "d": "c", "o": "d"}, a=AWAITED, o=OUTPUT), "o") == "abcdo"


def test_what_is_available_does_not_run_nor_does_what_it_needs() -> None:
    assert order(graph({"a": "", "b": "a", "c": "b", "o": "c"}, o=OUTPUT), "o", available="b") == "co"


def test_a_lazy_input_runs_only_when_it_is_waited_for() -> None:
    nodes = graph({"a": "", "b": "a", "o": "b"}, o=LAZY)
    schedule = Schedule(nodes, lambda node_id: False)
    schedule.add("o")
    assert schedule.pop() == "o"
    schedule.wait_for("o", "b")
    schedule.put_back("o")
    for expected in ("a", "b", "o"):
        assert schedule.pop() == expected
        schedule.complete(expected)
    assert len(schedule) == 0


def test_a_taken_node_is_not_given_twice() -> None:
    schedule = Schedule(graph({"a": "", "b": "a"}, b=OUTPUT), lambda node_id: False)
    schedule.add("b")
    assert schedule.pop() == "a"
    assert schedule.pop() is None
    assert len(schedule) == 2


def test_a_cycle_is_named_without_what_hangs_on_it() -> None:
    schedule = Schedule(graph({"o": "a", "a": "b", "b": "c", "c": "b"}, o=OUTPUT), lambda node_id: False)
    schedule.add("o")
    assert schedule.pop() is None
    cycle = schedule.cycle()
    assert sorted(cycle.nodes) == ["b", "c"]
    assert "Dependency cycle detected" in str(cycle)


@st.composite
def dags(draw: st.DrawFn) -> dict[str, str]:
    names = [chr(ord("A") + n) for n in range(draw(st.integers(1, 20)))]
    return {
        name: "".join(draw(st.lists(st.sampled_from(names[:n]), max_size=4))) if n else ""
        for n, name in enumerate(names)
    }


@given(dags(), st.sets(st.sampled_from("ABCDEFGHIJ"), max_size=3))
def test_every_needed_node_runs_once_and_after_what_it_needs(links: dict[str, str], outputs: set[str]) -> None:
    wanted = sorted(outputs & links.keys())
    ran = order(graph(links, **dict.fromkeys(wanted, OUTPUT)), *wanted)
    needed, waiting = set(wanted), list(wanted)
    while waiting:
        new = set(links[waiting.pop()]) - needed
        needed |= new
        waiting += new
    assert sorted(ran) == sorted(needed)
    assert all(ran.index(source) < ran.index(node) for node in ran for source in links[node])


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_thousands_of_nodes_are_scheduled_without_recursion(shape: str) -> None:
    count = 30_000
    if shape == "chain":
        links = {str(i): (("a", str(i - 1), 0),) if i else () for i in range(count)}
        last = (("a", str(count - 1), 0),)
    else:
        links = {str(i): () for i in range(count)}
        last = tuple((f"i{i}", str(i), 0) for i in range(count))
    nodes = {node_id: GraphNode(node_id, "", PLAIN, {}, found, ()) for node_id, found in links.items()}
    nodes["o"] = GraphNode("o", "", OUTPUT, {}, last, ())
    schedule = Schedule(nodes, lambda node_id: False)
    schedule.add("o")
    ran = 0
    while (node := schedule.pop()) is not None:
        schedule.complete(node)
        ran += 1
    assert ran == count + 1
