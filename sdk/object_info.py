"""Describes nodes to clients: the entries of ``/object_info``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from sdk.nodes import Input, NodeType


def object_info(nodes: Iterable[NodeType]) -> dict[str, dict[str, Any]]:
    """The whole answer: an entry for each node, by its bare id."""
    return {node.id: describe(node) for node in nodes}


def describe(node: NodeType) -> dict[str, Any]:
    """The entry of one node, made of JSON values only; integers keep all their digits.

    Lists of choices must be resolved. Numbers that are not finite, which JSON can't hold, are left out of options and
    are null in lists. What ``node.info`` says wins: its ``input_order`` decides which sections there are, its
    ``input`` replaces whole sections, and its other facts replace or join the entry's.

    Raises:
        ValueError: an input's choices are still the name of a source.
    """
    info = dict(node.info)
    order = info.pop("input_order", None) or _order(node)
    sections = {name: _section(node, name, names) for name, names in order.items()} | dict(info.pop("input", {}))
    entry: dict[str, Any] = {
        "input": {name: sections[name] for name in order},
        "input_order": {name: list(names) for name, names in order.items()},
        "output": [output.type for output in node.outputs],
        "output_is_list": [output.is_list for output in node.outputs],
        "output_name": [output.name for output in node.outputs],
        "name": node.id,
        "display_name": node.title or node.id,
        "description": node.description,
        "python_module": node.python_module,
        "category": node.category,
        "output_node": node.output_node,
    }
    if any(output.tooltip is not None for output in node.outputs):
        entry["output_tooltips"] = [output.tooltip for output in node.outputs]
    if node.deprecated is not None:
        entry["deprecated"] = True
    if node.experimental:
        entry["experimental"] = True
    plain: dict[str, Any] = _plain(entry | info)
    return plain


def _order(node: NodeType) -> dict[str, list[str]]:
    order = {"required": [item.name for item in node.inputs if item.required]}
    if optional := [item.name for item in node.inputs if not item.required]:
        order["optional"] = optional
    if node.hidden:
        order["hidden"] = list(node.hidden)
    return order


def _section(node: NodeType, section: str, names: Iterable[str]) -> dict[str, Any]:
    if section == "hidden":
        return {name: node.hidden[name] for name in names if name in node.hidden}
    declared: dict[str, Input] = {item.name: item for item in node.inputs}
    return {name: declared[name].config() for name in names}


def _plain(value: Any) -> Any:
    """The value as JSON holds it, deep inside too."""
    if isinstance(value, Mapping):
        pairs = ((str(key), _plain(item)) for key, item in value.items() if not _is_endless(item))
        return dict(pairs)
    if isinstance(value, list | tuple | set | frozenset):
        return [None if _is_endless(item) else _plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return str.__str__(value) if isinstance(value, str) else str(value)


def _is_endless(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral) and not math.isfinite(value)
