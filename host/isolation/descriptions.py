"""Nodes without their functions: what the process of an isolated pack says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sdk.nodes import NodeType

_FUNCTIONS = frozenset(("run", "create", "lazy", "validation", "fingerprint", "migrate", "refresh", "function"))
_HOSTS_OWN = frozenset(("pack", "pack_version", "revision"))
FACTS = tuple(field.name for field in fields(NodeType) if field.name not in _FUNCTIONS | _HOSTS_OWN)


def describe(node: NodeType) -> dict[str, Any]:
    """A node's facts, and which functions it has: those that it has none of are None."""
    facts: dict[str, Any] = {name: getattr(node, name) for name in FACTS}
    has = {name: True for name in ("create", "lazy", "fingerprint", "migrate", "refresh") if getattr(node, name)}
    if node.validation is not None:
        has["validation"] = True
        facts["checked"] = node.validation.names, node.validation.wants_types
    return {**facts, "info": dict(node.info), "hidden": dict(node.hidden), "has": has}


def node_facts(described: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ``NodeType`` among what ``describe`` gives."""
    return {name: described[name] for name in FACTS}
