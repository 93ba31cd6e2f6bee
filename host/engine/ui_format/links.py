"""Follows a drawn link to what really gives the value.

On the way lie nodes that only the editor knows (reroutes, primitives, named get and set nodes), muted and bypassed
nodes, and the boundaries of sub-graphs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from host.engine.ui_format.errors import EndlessLinks
from host.engine.ui_format.graph import INPUTS_ID, UiGraph, UiInput, UiNode
from sdk.nodes import MISSING
from sdk.sockets import WILDCARD, fits

logger = logging.getLogger(__name__)

MUTED, BYPASSED = 2, 4


class Role(Enum):
    """What a drawn node is to a prompt."""

    NODE = auto()
    SUBGRAPH = auto()
    REROUTE = auto()
    PRIMITIVE = auto()
    SET = auto()
    GET = auto()
    NOTE = auto()
    UNKNOWN = auto()


@dataclass(eq=False)
class Scope:
    """One unfolded copy of a graph.

    Attributes:
        prefix: what the ids of its nodes begin with.
        parent, instance: where the sub-graph's node stands; None for the workflow itself.
        children: copies of sub-graphs, by the id of their node.
        promoted: values of widgets shown on the sub-graph's node, by the number of the input they fill.
        overrides: values of such widgets that stand for a node's own, by node id, then by widget name.
    """

    graph: UiGraph
    prefix: str = ""
    parent: Scope | None = None
    instance: UiNode | None = None
    depth: int = 0
    children: dict[str, Scope] = field(default_factory=dict)
    promoted: Mapping[int, Any] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a node of the prompt."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands at the other end of a link."""

    value: Any


@dataclass(frozen=True, slots=True)
class Muted:
    """A node that does not run, so that its output has no value."""


@dataclass(frozen=True, slots=True)
class _Hop:
    scope: Scope
    link: str | None


Filling = Source | Constant | Muted | None
"""What stands at the other end of an input's link; None for nothing."""
_Key = tuple[int, str, str]


class LinkResolver:
    """Resolves links; each link is followed once per wanted type.

    Args:
        role: says what a node is to the prompt.
        widget_value: the value of a node's own widget, or MISSING.
    """

    def __init__(self, role: Callable[[UiNode], Role], widget_value: Callable[[Scope, UiNode, str], Any]) -> None:
        self._role, self._widget_value = role, widget_value
        self._known: dict[_Key, Filling] = {}
        self._setters: dict[int, dict[str, UiNode]] = {}

    def resolve(self, scope: Scope, node: UiNode, slot: UiInput) -> Filling:
        """What fills an input of a node; None where nothing does, so that its widget's value stands.

        Raises:
            EndlessLinks: the link leads back to itself.
        """
        result: Filling = None
        trail: dict[_Key, None] = {}
        hop = _Hop(scope, slot.link)
        while hop.link is not None:
            key = (id(hop.scope), hop.link, slot.type)
            if key in self._known:
                result = self._known[key]
                break
            if key in trail:
                raise EndlessLinks(scope.prefix + node.id, slot.name)
            trail[key] = None
            step = self._step(hop.scope, hop.link, slot.type)
            if not isinstance(step, _Hop):
                result = step
                break
            hop = step
        self._known.update(dict.fromkeys(trail, result))
        return result

    def _step(self, scope: Scope, link_id: str, wanted: str) -> _Hop | Filling:
        link = scope.graph.links.get(link_id)
        if link is None:
            logger.warning(
                "%s has no link %s, though a node names it; it counts as not linked", scope.graph.name, link_id
            )
            return None
        if link.origin == INPUTS_ID:
            return self._leave(scope, link.origin_slot)
        node = scope.graph.nodes.get(link.origin)
        if node is None:
            logger.warning(
                "link %s of %s comes from node %s, which is not there", link_id, scope.graph.name, link.origin
            )
            return None
        if node.mode == BYPASSED:
            passed = _passed_input(node, link.origin_slot, wanted)
            return None if passed is None else _Hop(scope, passed.link)
        return self._through(scope, node, link.origin_slot)

    def _through(self, scope: Scope, node: UiNode, slot: int) -> _Hop | Filling:
        role = self._role(node)
        if node.mode == MUTED and role in (Role.NODE, Role.SUBGRAPH, Role.UNKNOWN):
            return Muted()
        match role:
            case Role.SUBGRAPH:
                inside = scope.children[node.id]
                return _Hop(inside, inside.graph.results.get(slot))
            case Role.REROUTE | Role.SET:
                return _Hop(scope, node.first_link())
            case Role.GET:
                return self._named(scope, node)
            case Role.PRIMITIVE:
                values = list(node.values.values() if isinstance(node.values, Mapping) else node.values)
                return Constant(values[0]) if values else None
            case Role.NOTE:
                return None
            case _:
                return Source(scope.prefix + node.id, slot)

    def _leave(self, scope: Scope, slot: int) -> _Hop | Constant | None:
        """From inside a sub-graph to what fills its input of that number."""
        if scope.parent is None or scope.instance is None:
            return None
        outside = instance_input(scope.instance, scope.graph, slot)
        if outside is not None and outside.link is not None:
            return _Hop(scope.parent, outside.link)
        value = self._shown_value(scope, slot)
        return None if value is MISSING else Constant(value)

    def _shown_value(self, scope: Scope, slot: int) -> Any:
        """What the widget for an input shows on the sub-graph's node: a value of its own, or that of the one inside."""
        while slot not in scope.promoted:
            if slot not in scope.graph.widget_inputs:
                return MISSING
            node_id, name = scope.graph.widget_inputs[slot]
            node = scope.graph.nodes[node_id]
            inside = scope.children.get(node_id)
            if inside is None:
                return self._widget_value(scope, node, name)
            if name not in inside.graph.inputs:
                return MISSING
            scope, slot = inside, inside.graph.inputs.index(name)
        return scope.promoted[slot]

    def _named(self, scope: Scope, node: UiNode) -> _Hop | None:
        """What the set node of the same name is linked to, here or in a graph around this one."""
        name = _name_of(node)
        around: Scope | None = scope
        while around is not None:
            setter = self._setters_of(around.graph).get(name)
            if setter is not None:
                return _Hop(around, setter.first_link())
            around = around.parent
        logger.warning("node %s%s gets %r, which no node sets", scope.prefix, node.id, name)
        return None

    def _setters_of(self, graph: UiGraph) -> Mapping[str, UiNode]:
        setters = self._setters.get(id(graph))
        if setters is None:
            found = [node for node in graph.nodes.values() if self._role(node) is Role.SET]
            setters = self._setters[id(graph)] = {_name_of(node): node for node in found}
        return setters


def _name_of(node: UiNode) -> str:
    values = node.values
    first = next(iter(values.values() if isinstance(values, Mapping) else values), "")
    return str(first)


def instance_input(instance: UiNode, graph: UiGraph, slot: int) -> UiInput | None:
    """The input of a sub-graph's node that stands for the sub-graph's input of that number."""
    inputs = instance.inputs
    name = graph.inputs[slot] if slot < len(graph.inputs) else None
    if slot < len(inputs) and name in (None, inputs[slot].name):
        return inputs[slot]
    return next((item for item in inputs if item.name == name), None)


def _passed_input(node: UiNode, slot: int, wanted: str) -> UiInput | None:
    """The input whose value a bypassed node gives out instead of the output it would compute.

    The input of the same number if its type fits, else the first of exactly the wanted type, else the first that fits.
    """
    inputs = node.inputs
    if wanted in (WILDCARD, ""):
        wanted = node.outputs[slot] if slot < len(node.outputs) else WILDCARD
    if slot < len(inputs) and fits(inputs[slot].type, wanted):
        return inputs[slot]
    exact = next((item for item in inputs if item.type == wanted), None)
    return exact or next((item for item in inputs if fits(item.type, wanted)), None)
