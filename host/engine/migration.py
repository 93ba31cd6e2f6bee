"""Inputs saved by an older version of a node, turned into today's by the node itself.

Which version saved them stands in ``_meta.version`` of a node in a prompt; a drawn workflow has it from
``properties.ver``. A node asked for by a former id, with no version beside it, was saved before it was renamed: its
version is then "".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk.nodes import NodeType


def migrate(entry: Mapping[str, Any], node: NodeType) -> Mapping[str, Any] | None:
    """The node of a prompt with today's inputs; None where it needs no change.

    Raises whatever the node's own ``migrate`` raises.
    """
    if node.migrate is None or not isinstance(entry.get("inputs"), Mapping):
        return None
    saved_by = _saved_by(entry, node)
    if saved_by is None or saved_by == node.pack_version:
        return None
    return {**entry, "inputs": node.migrate(dict(entry["inputs"]), saved_by)}


def _saved_by(entry: Mapping[str, Any], node: NodeType) -> str | None:
    meta = entry.get("_meta")
    version = meta.get("version") if isinstance(meta, Mapping) else None
    if isinstance(version, str) and version:
        return version
    return "" if entry["class_type"] in node.aliases else None
