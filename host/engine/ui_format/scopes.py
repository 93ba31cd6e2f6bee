"""Unfolds the sub-graphs of a workflow: every use of one becomes a copy with ids of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from host.engine.ui_format.errors import WorkflowTooLarge
from host.engine.ui_format.graph import UiGraph, UiNode, UiWorkflow
from host.engine.ui_format.links import BYPASSED, MUTED, Role, Scope, instance_input

MAX_NODES = 200_000
MAX_DEPTH = 64

_OWN_INPUT = "-1"  # in a list of shown widgets: the widget of an input of the sub-graph itself


def unfold(workflow: UiWorkflow, role: Callable[[UiNode], Role]) -> list[tuple[Scope, UiNode]]:
    """Every active node with the copy of the graph it stands in, those of a sub-graph in the place of its node.

    Raises:
        WorkflowTooLarge: more than ``MAX_NODES`` nodes, or more than ``MAX_DEPTH`` levels.
    """
    root = Scope(workflow.graph)
    found: list[tuple[Scope, UiNode]] = []
    stack: list[tuple[Scope, Iterator[UiNode]]] = [(root, iter(root.graph.nodes.values()))]
    count = 0
    while stack:
        scope, nodes = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        if (count := count + 1) > MAX_NODES:
            raise WorkflowTooLarge(f"more than {MAX_NODES:,} nodes")
        if node.mode in (MUTED, BYPASSED):
            continue
        if role(node) is not Role.SUBGRAPH:
            found.append((scope, node))
            continue
        if scope.depth >= MAX_DEPTH:
            raise WorkflowTooLarge(f"more than {MAX_DEPTH} levels")
        child = scope.children[node.id] = _copy(workflow.subgraphs[node.type], scope, node)
        stack.append((child, iter(child.graph.nodes.values())))
    return found


def _copy(graph: UiGraph, parent: Scope, instance: UiNode) -> Scope:
    promoted: dict[int, Any] = {}
    overrides: dict[str, dict[str, Any]] = {}
    for (node_id, name), value in _shown_values(graph, parent, instance):
        if node_id == _OWN_INPUT:
            promoted.update({slot: value for slot, known in enumerate(graph.inputs) if known == name})
        else:
            overrides.setdefault(node_id, {})[name] = value
    prefix = f"{parent.prefix}{instance.id}:"
    return Scope(graph, prefix, parent, instance, parent.depth + 1, promoted=promoted, overrides=overrides)


def _shown_values(graph: UiGraph, parent: Scope, instance: UiNode) -> Iterator[tuple[tuple[str, str], Any]]:
    """Values of the widgets on a sub-graph's node, each with the node and widget it stands for.

    None, which editors save for a widget whose value is kept inside, is left out.
    """
    shown = _shown_widgets(graph, instance)
    values = instance.values
    outer = parent.overrides.get(instance.id, {})
    for index, (node_id, name) in enumerate(shown):
        if isinstance(values, Mapping):
            value = values.get(name)
        else:
            value = values[index] if index < len(values) else None
        value = outer.get(name, value)
        if value is not None:
            yield (node_id, name), value


def _shown_widgets(graph: UiGraph, instance: UiNode) -> list[tuple[str, str]]:
    """(node, widget) for each widget on a sub-graph's node, in the order of their values."""
    own = [(_OWN_INPUT, name) for slot, name in enumerate(graph.inputs) if _is_widget(instance, graph, slot)]
    listed = instance.properties.get("proxyWidgets")
    entries = listed if isinstance(listed, list) else []
    shown = [(str(entry[0]), str(entry[1])) for entry in entries if isinstance(entry, list) and len(entry) > 1]
    shown = [item for item in shown if item not in graph.widget_inputs.values()]
    if any(node_id == _OWN_INPUT for node_id, _ in shown):
        return shown + [item for item in own if item not in shown]
    return own + shown


def _is_widget(instance: UiNode, graph: UiGraph, slot: int) -> bool:
    """Editors leave inputs out of the node's list that only have a widget, so what is inside decides as well."""
    if slot in graph.widget_inputs:
        return True
    item = instance_input(instance, graph, slot)
    return item is not None and item.widget is not None
