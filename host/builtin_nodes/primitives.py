"""Constants as nodes, so that one value can feed many inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Multiline, NodeType, Options, Range, hookimpl, node

LIMIT = 2**63 - 1


@node(id="PrimitiveInt", title="Int", category="utils/primitive", output_tooltips=("The number.",))
def primitive_int(
    value: Annotated[int, Range(-LIMIT, LIMIT), Options({"control_after_generate": True})],
) -> int:
    """A whole number.

    Args:
        value: The number.
    """
    return value


@node(id="PrimitiveFloat", title="Float", category="utils/primitive", output_tooltips=("The number.",))
def primitive_float(value: Annotated[float, Range(-LIMIT, LIMIT)]) -> float:
    """A number with decimals.

    Args:
        value: The number.
    """
    return value


@node(id="PrimitiveString", title="String", category="utils/primitive", output_tooltips=("The text.",))
def primitive_string(value: Annotated[str, Options({"multiline": False})]) -> str:
    """A line of text.

    Args:
        value: The text.
    """
    return value


@node(
    id="PrimitiveStringMultiline",
    title="String (Multiline)",
    category="utils/primitive",
    output_tooltips=("The text.",),
)
def primitive_string_multiline(value: Annotated[str, Multiline()]) -> str:
    """Text of several lines.

    Args:
        value: The text.
    """
    return value


@node(id="PrimitiveBoolean", title="Boolean", category="utils/primitive", output_tooltips=("Yes or no.",))
def primitive_boolean(value: bool) -> bool:
    """Yes or no.

    Args:
        value: Yes or no.
    """
    return value


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that hold one value."""
    return [primitive_int, primitive_float, primitive_string, primitive_string_multiline, primitive_boolean]
