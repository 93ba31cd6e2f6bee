"""The node that shows any value as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sdk import AnyValue, NodeResult, NodeType, hookimpl, node


@node(id="PreviewAny", title="Preview Any", category="utils", output_node=True, returns=type(None))
def preview_any(source: AnyValue) -> NodeResult:
    """Show any value as text.

    Args:
        source: The value. Lists and objects of plain values are shown as JSON on one line.
    """
    return NodeResult(ui={"text": (shown(source),)})


def shown(value: Any) -> str:
    """The text for a value: itself, a number's digits, JSON, or what the value says of itself."""
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node that shows values."""
    return [preview_any]
