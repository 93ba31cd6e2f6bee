"""Turns a workflow as drawn in an editor (UI format) into a prompt (API format).

What the editor does when it queues a workflow, done from the saved file alone: values of widgets get their names,
links are followed through reroutes and bypassed nodes, sub-graphs are unfolded, muted nodes and notes are left out.
Linear in nodes and links.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from host.engine.ui_format.errors import MalformedWorkflow, UnknownNodeTypes
from host.engine.ui_format.graph import UiNode, read_ui_workflow
from host.engine.ui_format.links import Constant, LinkResolver, Muted, Role, Scope, Source
from host.engine.ui_format.scopes import unfold
from host.engine.ui_format.widgets import widget_values, wrapped
from sdk.nodes import MISSING, NodeType

logger = logging.getLogger(__name__)

_EDITOR_NODES: Mapping[str, Role] = {
    "Reroute": Role.REROUTE,
    "PrimitiveNode": Role.PRIMITIVE,
    "SetNode": Role.SET,
    "GetNode": Role.GET,
    "Note": Role.NOTE,
    "MarkdownNote": Role.NOTE,
}


class NodeLookup(Protocol):
    """Finds node types, with the choices of their lists; a mapping from names to node types will do."""

    def get(self, class_type: str, /) -> NodeType | None: ...


def is_ui_format(data: Any) -> bool:
    """Whether parsed JSON is a workflow as drawn, as opposed to a prompt, whose keys are node ids."""
    return isinstance(data, Mapping) and isinstance(data.get("nodes"), list)


def to_api(workflow: Mapping[str, Any], schemas: NodeLookup) -> dict[str, dict[str, Any]]:
    """The prompt a drawn workflow stands for: ``{id: {"class_type", "inputs", "_meta"}}``.

    Nodes inside a sub-graph get ids such as ``12:3``. Inputs that nothing fills are left out, for validation to report,
    and so are those linked to a muted node.

    Args:
        workflow: format version 0.4 or 1.0.
        schemas: says which inputs of a node type have widgets, and in which order.

    Raises:
        UiFormatError: the workflow can't be converted; see ``ui_format_errors``.
    """
    if not is_ui_format(workflow):
        raise MalformedWorkflow(['it has no list "nodes"'])
    drawn = read_ui_workflow(workflow)
    roles = _Roles(schemas, drawn.subgraphs)
    active = unfold(drawn, roles.of)
    _refuse_unknown(active, roles)
    resolver = LinkResolver(roles.of, lambda scope, node, name: _widgets(scope, node, schemas).get(name, MISSING))
    prompt: dict[str, dict[str, Any]] = {}
    for scope, node in active:
        schema = schemas.get(node.type) if roles.of(node) is Role.NODE else None
        if schema is not None:
            title = node.title or schema.title or node.type
            inputs = _inputs(scope, node, schemas, resolver)
            meta = {"title": title, **_saved_by(node, schema)}
            prompt[scope.prefix + node.id] = {"inputs": inputs, "class_type": node.type, "_meta": meta}
    return prompt


class _Roles:
    """What each node is to the prompt, decided once per type."""

    def __init__(self, schemas: NodeLookup, subgraphs: Mapping[str, Any]) -> None:
        self._schemas, self._subgraphs = schemas, subgraphs
        self._known: dict[str, Role] = {}

    def of(self, node: UiNode) -> Role:
        role = self._known.get(node.type)
        if role is None:
            role = self._known[node.type] = self._decide(node.type)
        if role is Role.UNKNOWN and _looks_like_reroute(node):
            return Role.REROUTE
        return role

    def _decide(self, kind: str) -> Role:
        if kind in self._subgraphs:
            return Role.SUBGRAPH
        if self._schemas.get(kind) is not None:
            return Role.NODE
        return _EDITOR_NODES.get(kind, Role.UNKNOWN)


def _saved_by(node: UiNode, schema: NodeType) -> dict[str, str]:
    """The pack version that saved the node, for those that can read what older ones saved."""
    version = node.properties.get("ver")
    return {"version": version} if schema.migrate is not None and isinstance(version, str) else {}


def _looks_like_reroute(node: UiNode) -> bool:
    """Packs bring reroutes of their own that exist in the browser only."""
    return "reroute" in node.type.lower() and len(node.inputs) == 1 and len(node.outputs) == 1


def _refuse_unknown(active: list[tuple[Scope, UiNode]], roles: _Roles) -> None:
    """Raise for unknown nodes that take part; one without any link is a note of some sort and only mentioned."""
    unknown: dict[str, list[str]] = {}
    for scope, node in active:
        if roles.of(node) is not Role.UNKNOWN:
            continue
        if node.has_readers or any(item.link is not None for item in node.inputs):
            unknown.setdefault(node.type, []).append(scope.prefix + node.id)
        else:
            logger.warning(
                "node %s%s of unknown type %r has no links and is left out", scope.prefix, node.id, node.type
            )
    if unknown:
        raise UnknownNodeTypes(unknown)


def _widgets(scope: Scope, node: UiNode, schemas: NodeLookup) -> dict[str, Any]:
    """Values of a node's widgets by name, with those that a sub-graph's node sets."""
    schema = schemas.get(node.type)
    if schema is None:
        return {}
    shown = scope.overrides.get(node.id, {})
    return widget_values(node, schema) | {name: value for name, value in shown.items() if schema.input(name)}


def _inputs(scope: Scope, node: UiNode, schemas: NodeLookup, resolver: LinkResolver) -> dict[str, Any]:
    inputs = {name: wrapped(value) for name, value in _widgets(scope, node, schemas).items()}
    for slot in node.inputs:
        match resolver.resolve(scope, node, slot):
            case Source(node=source, slot=number):
                inputs[slot.name] = [source, number]
            case Constant(value=value):
                inputs[slot.name] = wrapped(value)
            case Muted():
                inputs.pop(slot.name, None)
    return inputs
