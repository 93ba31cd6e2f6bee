"""A workflow as editors save it, read into nodes and links; format versions 0.4 and 1.0.

Links are arrays ``[id, origin, slot, target, slot, type]`` or objects with these names; both may occur in one file.
Inside a sub-graph's definition the id -10 stands for its inputs and -20 for its outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.engine.ui_format.errors import MalformedWorkflow, SubgraphContainsItself

INPUTS_ID, OUTPUTS_ID = "-10", "-20"
_LINK_KEYS = ("id", "origin_id", "origin_slot", "target_id", "target_slot")


@dataclass(frozen=True, slots=True)
class UiInput:
    """An input slot of a drawn node; ``widget`` is the name of the widget it stands for, if any."""

    name: str
    type: str
    link: str | None
    widget: str | None


@dataclass(frozen=True, slots=True)
class UiNode:
    """A drawn node. ``mode`` 2 is muted, 4 bypassed; ``outputs`` are types by slot."""

    id: str
    type: str
    mode: int
    inputs: tuple[UiInput, ...]
    outputs: tuple[str, ...]
    values: Sequence[Any] | Mapping[str, Any]
    title: str | None
    properties: Mapping[str, Any]
    has_readers: bool

    def first_link(self) -> str | None:
        """The link into the first input."""
        return self.inputs[0].link if self.inputs else None


@dataclass(frozen=True, slots=True)
class UiLink:
    """A link, by where it comes from and where it goes."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class UiGraph:
    """The workflow itself, or the inside of a sub-graph.

    Attributes:
        nodes: by id, in the order in which the editor would run them.
        links: by id.
        inputs: names of the sub-graph's inputs.
        widget_inputs: node and input of the first widget inside that an input of that number fills; the sub-graph's
            node shows such a widget.
        results: ids of the links into the sub-graph's outputs, by slot.
    """

    name: str
    nodes: Mapping[str, UiNode]
    links: Mapping[str, UiLink]
    inputs: tuple[str, ...] = ()
    widget_inputs: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    results: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UiWorkflow:
    """A workflow with the definitions of its sub-graphs, by the type name of their instances."""

    graph: UiGraph
    subgraphs: Mapping[str, UiGraph]


def read_ui_workflow(data: Mapping[str, Any]) -> UiWorkflow:
    """The workflow in parsed JSON.

    Raises:
        MalformedWorkflow: the JSON has another shape.
        SubgraphContainsItself: a definition is used inside itself.
    """
    reader = _Reader()
    graph = reader.graph(data, "the workflow")
    subgraphs: dict[str, UiGraph] = {}
    for definition in _definitions(data):
        name = str(definition.get("name") or definition.get("id"))
        subgraphs.setdefault(str(definition.get("id")), reader.graph(definition, f"sub-graph {name!r}"))
    if reader.problems:
        raise MalformedWorkflow(reader.problems)
    _refuse_recursion(subgraphs)
    return UiWorkflow(graph, subgraphs)


def _definitions(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Definitions of sub-graphs, also those kept inside other definitions."""
    waiting = [data]
    while waiting:
        definitions = waiting.pop().get("definitions")
        listed = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
        found = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        waiting += found
        yield from found


class _Reader:
    """Reads graphs and keeps the faults it meets."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def graph(self, data: Mapping[str, Any], where: str) -> UiGraph:
        links = dict(self._links(self._listed(data, "links", where), where))
        read = (self._node(entry, where) for entry in sorted(self._listed(data, "nodes", where), key=_order))
        nodes: dict[str, UiNode] = {}
        for node in read:
            if node is not None and nodes.setdefault(node.id, node) is not node:
                self.problems.append(f"{where} has two nodes {node.id!r}")
        results = {link.target_slot: key for key, link in links.items() if link.target == OUTPUTS_ID}
        boundary = data.get("inputs")
        inputs = tuple(_text(item.get("name")) for item in _mappings(boundary)) if isinstance(boundary, list) else ()
        return UiGraph(where, nodes, links, inputs, _widget_inputs(nodes, links), results)

    def _listed(self, data: Mapping[str, Any], key: str, where: str) -> list[Any]:
        entries = data.get(key) or []
        if isinstance(entries, Mapping):  # some versions saved links as an object by id
            entries = list(entries.values())
        if not isinstance(entries, list):
            self.problems.append(f"{key!r} of {where} is no list")
            return []
        return [entry for entry in entries if entry is not None]

    def _links(self, entries: list[Any], where: str) -> Iterator[tuple[str, UiLink]]:
        for entry in entries:
            parts = [entry.get(key) for key in _LINK_KEYS] if isinstance(entry, Mapping) else entry
            if not isinstance(parts, list) or len(parts) < len(_LINK_KEYS):
                self.problems.append(f"{where} has a link {entry!r:.60}")
                continue
            ids = [_id(parts[index]) for index in (0, 1, 3)]
            slots = [_slot(parts[index]) for index in (2, 4)]
            if None in ids or None in slots:
                self.problems.append(f"{where} has a link {entry!r:.60}")
                continue
            key, origin, target = map(str, ids)
            yield key, UiLink(origin, slots[0] or 0, target, slots[1] or 0)

    def _node(self, entry: Any, where: str) -> UiNode | None:
        if not isinstance(entry, Mapping):
            self.problems.append(f"{where} has a node {entry!r:.60}")
            return None
        node_id, kind = _id(entry.get("id")), entry.get("type")
        if node_id is None or not isinstance(kind, str) or not kind:
            self.problems.append(f"a node of {where} has id {entry.get('id')!r} and type {kind!r}")
            return None
        values = entry.get("widgets_values")
        outputs = _mappings(entry.get("outputs"))
        properties = entry.get("properties")
        mode = entry.get("mode")
        return UiNode(
            id=node_id,
            type=kind,
            mode=mode if isinstance(mode, int) else 0,
            inputs=tuple(_input(item) for item in _mappings(entry.get("inputs"))),
            outputs=tuple(_text(item.get("type")) for item in outputs),
            values=values if isinstance(values, list | Mapping) else [],
            title=entry["title"] if isinstance(entry.get("title"), str) else None,
            properties=properties if isinstance(properties, Mapping) else {},
            has_readers=any(item.get("links") for item in outputs),
        )


def _input(entry: Mapping[str, Any]) -> UiInput:
    widget = entry.get("widget")
    name = _text(entry.get("name"))
    return UiInput(
        name=name,
        type=_text(entry.get("type")),
        link=_id(entry.get("link")),
        widget=_text(widget.get("name") or name) if isinstance(widget, Mapping) else None,
    )


def _widget_inputs(nodes: Mapping[str, UiNode], links: Mapping[str, UiLink]) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for node in nodes.values():
        for item in node.inputs:
            link = links.get(item.link) if item.widget is not None and item.link is not None else None
            if link is not None and link.origin == INPUTS_ID:
                found.setdefault(link.origin_slot, (node.id, item.name))
    return found


def _mappings(entries: Any) -> list[Mapping[str, Any]]:
    return [item for item in entries if isinstance(item, Mapping)] if isinstance(entries, list) else []


def _order(entry: Any) -> float:
    order = entry.get("order") if isinstance(entry, Mapping) else None
    return order if isinstance(order, int) else 0


def _id(value: Any) -> str | None:
    """Ids are numbers in most files and strings in some; a link may name the same id in the other form."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _slot(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    """Types of old files may be numbers (-1 for events, 0 for anything) or lists of choices."""
    if isinstance(value, str):
        return value
    return "COMBO" if isinstance(value, list) else "*"


def _refuse_recursion(subgraphs: Mapping[str, UiGraph]) -> None:
    inner = {
        key: [node.type for node in graph.nodes.values() if node.type in subgraphs] for key, graph in subgraphs.items()
    }
    done: set[str] = set()
    for start in subgraphs:
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[Iterator[str]] = [iter([start])]
        while stack:
            key = next(stack[-1], None)
            if key is None:
                stack.pop()
                if path:
                    on_path.discard(path[-1])
                    done.add(path.pop())
            elif key in on_path:
                raise SubgraphContainsItself([subgraphs[name].name for name in [*path[path.index(key) :], key]])
            elif key not in done:
                path.append(key)
                on_path.add(key)
                stack.append(iter(inner[key]))
