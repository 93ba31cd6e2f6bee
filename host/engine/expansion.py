"""Nodes that become sub-graphs: takes the graphs that a node returned into the run's graph, and reads their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from host.engine.catalogue import Schemas
from host.engine.errors import DuplicateGraphNode, UnknownGraphNode
from host.engine.events import NodeRef
from host.engine.graph import GraphNode, LivePrompt, is_link, split_inputs
from host.engine.mapping import Outputs, columns
from host.engine.schemas import Schema
from sdk.nodes import NodeResult


def expand(parent: GraphNode, results: Sequence[NodeResult], schemas: Schemas, live: LivePrompt) -> list[GraphNode]:
    """The nodes that all calls of ``parent`` add, each after those it is linked to; ``live`` knows them from now on.

    Raises:
        DuplicateGraphNode: an id is taken.
        UnknownGraphNode: a class, or a node that is linked to, does not exist.
    """
    added: dict[str, GraphNode] = {}
    for result in results:
        for node_id, info in (result.expand or {}).items():
            if live.has_node(node_id):
                raise DuplicateGraphNode(node_id, parent.id)
            added[node_id] = _node(parent, node_id, info, schemas)
            live.add(added[node_id].ref, info)
    targets = [(source, node.id) for node in added.values() for _, source, _ in node.links]
    targets += [(source, parent.id) for result in results for source, _ in result_links(result)]
    for source, _ in targets:
        if not live.has_node(source):
            raise UnknownGraphNode(f"a node {source!r}", parent.id)
    return list(_sorted(added))


def _node(parent: GraphNode, node_id: str, info: Mapping[str, Any], schemas: Schemas) -> GraphNode:
    schema = schemas.find(info.get("class_type"))
    if schema is None:
        raise UnknownGraphNode(f"a class {info.get('class_type')!r}", parent.id)
    inputs = info.get("inputs", {})
    constants, links = split_inputs(inputs)
    shown_at = info.get("override_display_id", parent.ref.display_id)
    ref = NodeRef(node_id, shown_at, parent.id, parent.ref.real_id)
    return GraphNode(node_id, info["class_type"], schema, constants, links, inputs, ref)


def _sorted(nodes: Mapping[str, GraphNode]) -> Iterator[GraphNode]:
    """The nodes, each after those it is linked to; links that close a cycle are ignored."""
    seen: set[str] = set()
    for root in nodes:
        stack = [(root, False)]
        while stack:
            node_id, entered = stack.pop()
            if entered:
                yield nodes[node_id]
            elif node_id in nodes and node_id not in seen:
                seen.add(node_id)
                stack.append((node_id, True))
                stack += [(source, False) for _, source, _ in nodes[node_id].links]


def result_links(result: NodeResult) -> list[tuple[str, int]]:
    """The outputs that a call's expansion is to fill, as ``(node id, slot)``."""
    if result.expand is None:
        return []
    return [(value[0], value[1]) for value in result.outputs if is_link(value)]


def resolved(result: NodeResult, schema: Schema, read: Callable[[str, int], list[Any]]) -> Outputs:
    """A call's outputs as lists per slot, with links replaced by what ``read`` gives for node and slot."""
    given = columns(result, schema)
    if result.expand is None:
        return given
    return tuple(
        read(value[0], value[1]) if is_link(value) else given[slot] for slot, value in enumerate(result.outputs)
    )
