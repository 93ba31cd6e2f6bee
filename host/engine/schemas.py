"""A node type prepared for validating and running many nodes of it: everything looked up once per class.

A ``Schema`` is a ``NodeType`` in today's form (refreshed, lists of choices resolved) plus tables that save the
per-node work from asking the same questions 20,000 times.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sdk.markers import Hidden
from sdk.nodes import Determinism, Input, NodeType
from sdk.sockets import COMBO

Choices = Callable[[str], Sequence[Any]]
"""Gives what a source of choices offers, by its name; raises LookupError for an unknown source."""

_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class InputRule:
    """How one declared input is checked.

    Attributes:
        wanted: socket type, or the list of choices, as mismatch messages show it.
        convert: what constants are converted with, or None.
        minimum, maximum: smallest and largest constant, or None.
        choices: the constants allowed, or None for any.
        config: ``[type, options]`` as error messages carry it.

    Args:
        trusted: range and choices are left to the node's own validation.
    """

    __slots__ = ("choices", "config", "convert", "maximum", "minimum", "name", "required", "wanted")

    def __init__(self, declared: Input, trusted: bool) -> None:
        options = declared.options or {}
        listed = declared.type == COMBO and not declared.typed_combo
        self.name = declared.name
        self.required = declared.required
        self.wanted: Any = list(declared.choices or ()) if listed else declared.type
        self.convert = _CONVERSIONS.get(declared.type)
        self.minimum = None if trusted else options.get("min")
        self.maximum = None if trusted else options.get("max")
        checked = (listed or declared.strict) and not trusted
        self.choices: Sequence[Any] | None = list(declared.choices or ()) if checked else None
        self.config: list[Any] = [self.wanted, dict(options)]


class Schema:
    """One class of node, ready for use in one prompt.

    Attributes:
        node: the node type as it is today.
        rules: checks by input name, in declared order.
        required: the rules of inputs that must be given.
        more: how inputs are declared that have no rule; None where such inputs are ignored.
        checks_all: the node's own validation looks at every input.
        wants_types: the node checks the types of links itself.
        output_types: socket types by slot.
        hidden: ``(input name, kind)`` of what the engine fills in.
        lazy, raw: names of the inputs computed on demand, and of those that get the link itself.
        has_async: calls of the node are awaited.
        identity: the part of every cache key that is the same for all nodes of the class.
        stable: results may be cached at all.
        per_node: equal inputs at two places of a graph give two results.
        static: a key needs nothing beyond identity, constants and links.
        sources: where the choices of inputs come from, by input name.
    """

    __slots__ = (
        *("checks_all", "has_async", "hidden", "identity", "is_list", "lazy", "more", "node", "output_node"),
        *("output_types", "per_node", "raw", "required", "rules", "sources", "stable", "static"),
        *("takes_lists", "thread_safe", "wants_types"),
    )

    def __init__(self, node: NodeType, sources: Mapping[str, str]) -> None:
        validation = node.validation
        names = validation.names if validation else frozenset()
        self.node = node
        self.sources = sources
        self.checks_all = validation is not None and names is None
        self.wants_types = validation is not None and validation.wants_types
        self.rules = {item.name: InputRule(item, names is None or item.name in names) for item in node.inputs}
        self.more = node.more_inputs
        self.required = tuple(rule for rule in self.rules.values() if rule.required)
        self.output_types = tuple(item.type for item in node.outputs)
        self.is_list = tuple(item.is_list for item in node.outputs)
        self.hidden = tuple(node.hidden.items())
        self.lazy = frozenset(item.name for item in node.inputs if item.lazy)
        self.raw = frozenset(item.name for item in node.inputs if item.raw_link)
        self.output_node = node.output_node
        self.takes_lists = node.takes_lists
        self.thread_safe = node.thread_safe
        self.has_async = inspect.iscoroutinefunction(node.run)
        self.identity = f"{node.true_id}@{node.pack_version}+{node.revision}"
        self.per_node = node.determinism is Determinism.PER_NODE or Hidden.UNIQUE_ID in node.hidden.values()
        self.stable = node.determinism is not Determinism.EXTERNAL
        self.static = self.stable and not self.per_node and node.fingerprint is None and not node.reads

    def rule(self, name: str) -> InputRule | None:
        """How an input of that name is checked, also one that only ``more`` declares; None for a stranger."""
        known = self.rules.get(name)
        if known is None and self.more is not None:
            return InputRule(replace(self.more, name=name, required=False), trusted=False)
        return known


def changes(node: NodeType) -> bool:
    """Whether the schema may differ from one prompt to the next."""
    return node.refresh is not None or any(isinstance(item.choices, str) for item in node.inputs)


def prepare(node: NodeType, choices: Choices) -> Schema:
    """The schema of a node type as it is now. Calls its ``refresh`` and asks for the choices of its sources."""
    if node.refresh is not None:
        node = replace(node.refresh(), pack=node.pack, pack_version=node.pack_version, revision=node.revision)
    sources = {item.name: item.choices for item in node.inputs if isinstance(item.choices, str)}
    if sources:
        resolved = tuple(_resolve(item, choices) if item.name in sources else item for item in node.inputs)
        node = replace(node, inputs=resolved)
    return Schema(node, sources)


def _resolve(item: Input, choices: Choices) -> Input:
    assert isinstance(item.choices, str)
    found = tuple(choices(item.choices))
    options = {**(item.options or {}), "options": list(found)} if item.typed_combo else item.options
    return replace(item, choices=found, options=options)
