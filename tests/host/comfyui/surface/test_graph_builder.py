"""Graphs built for expansion."""

from __future__ import annotations

from pathlib import Path

from host.comfyui.running import NodeState
from host.comfyui.surface.graph_builder import GraphBuilder, add_graph_prefix, is_link
from tests.support.node_context import context_in


def test_ids_count_from_one_below_the_prefix() -> None:
    graph = GraphBuilder("p.")
    first, named, second = graph.node("A"), graph.node("B", id="x"), graph.node("C", v=1)
    assert [node.id for node in (first, named, second)] == ["p.1", "p.x", "p.2"]
    assert graph.lookup_node("x") is named
    assert graph.lookup_node("gone") is None


def test_a_name_used_twice_gives_the_same_node() -> None:
    graph = GraphBuilder("p.")
    assert graph.node("A", id="x", v=1) is graph.node("B", id="x", v=2)


def test_each_builder_of_a_call_has_its_own_ids(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    context.node_id = "5"
    state = NodeState()
    with state.start_call(context).entered():
        assert [GraphBuilder().prefix, GraphBuilder().prefix] == ["5.0.0.", "5.0.1."]
    with state.start_call(context).entered():
        assert GraphBuilder.alloc_prefix() == "5.1.0."
        assert GraphBuilder.alloc_prefix("r", 2, 3) == "r.2.3."
    assert GraphBuilder().prefix == ".0.0."


def test_inputs_can_be_set_and_removed() -> None:
    node = GraphBuilder("").node("A", a=1, b=2)
    node.set_input("a", None)
    node.set_input("c", node.out(1))
    assert node.get_input("a") is None
    assert node.serialize() == {"class_type": "A", "inputs": {"b": 2, "c": ["1", 1]}}


def test_outputs_can_be_replaced_and_nodes_removed() -> None:
    graph = GraphBuilder("p.")
    source = graph.node("A", id="s")
    reader = graph.node("B", id="r", x=source.out(0), y=source.out(1))
    graph.replace_node_output("s", 0, 7)
    graph.replace_node_output("s", 1, None)
    graph.remove_node("s")
    assert graph.finalize() == {"p.r": {"class_type": "B", "inputs": {"x": 7}}}
    assert reader.get_input("y") is None


def test_a_whole_graph_can_be_moved_below_a_prefix() -> None:
    graph = {"a": {"class_type": "A", "inputs": {"x": ["b", 0], "n": 5}}, "b": {"class_type": "B", "inputs": {}}}
    moved, outputs = add_graph_prefix(graph, [["a", 0], "plain"], "p.")
    assert moved["p.a"] == {"class_type": "A", "inputs": {"x": ["p.b", 0], "n": 5}}
    assert outputs == (["p.a", 0], "plain")


def test_links_are_told_from_lists() -> None:
    assert is_link(["1", 0])
    assert not any(map(is_link, (["1"], [1, 0], ["1", True], ["1", "0"], ("1", 0), "10")))
