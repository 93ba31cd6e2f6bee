"""Puts together what a node is called with: constants, linked results and hidden values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from host.engine.graph import GraphNode, Link, LivePrompt
from host.engine.mapping import Call, split
from host.engine.results import Results
from sdk.markers import Hidden
from sdk.nodes import Blocker

_LONGEST_TEXT = 2_000
_SECRETS = {Hidden.AUTH_TOKEN: "auth_token_comfy_org", Hidden.API_KEY: "api_key_comfy_org"}


class MissingResult(Exception):
    """Results of linked nodes are gone; ``sources`` have to run again."""

    def __init__(self, sources: Sequence[str]) -> None:
        super().__init__(sources)
        self.sources = sources


class HiddenValues:
    """The values of hidden inputs in one run."""

    def __init__(self, live: LivePrompt, extra_data: Mapping[str, Any]) -> None:
        self._live, self._extra_data = live, extra_data

    def __call__(self, node: GraphNode) -> dict[str, Any]:
        """The hidden inputs of a node, by name; None for kinds the engine does not know."""
        return {name: self._value(node, kind) for name, kind in node.schema.hidden}

    def _value(self, node: GraphNode, kind: str) -> Any:
        if kind == Hidden.UNIQUE_ID:
            return node.id
        if kind == Hidden.PROMPT:
            return self._live.get_original_prompt()
        if kind == Hidden.DYNPROMPT:
            return self._live
        if kind == Hidden.EXTRA_PNGINFO:
            return self._extra_data.get("extra_pnginfo")
        return self._extra_data.get(_SECRETS[Hidden(kind)]) if kind in _SECRETS else None


class Inputs:
    """What one node gets: single values, and those that are lists to be mapped over.

    Attributes:
        single: values by input name.
        many: lists by input name; empty lists and lists of several values.
        hidden: values by name, of which error messages say nothing.
    """

    __slots__ = ("hidden", "many", "node", "single")

    def __init__(
        self, node: GraphNode, single: dict[str, Any], many: dict[str, list[Any]], hidden: dict[str, Any]
    ) -> None:
        self.node, self.single, self.many, self.hidden = node, single, many, hidden

    def calls(self) -> list[Call]:
        """The inputs of each call, or the blocker in its way. Raises EmptyListInput."""
        if not self.many and not self.node.schema.takes_lists:
            for value in self.single.values():
                if isinstance(value, Blocker):
                    return [value]
            return [{**self._ordered(self.single), **self.hidden}] if self.hidden else [self._ordered(self.single)]
        lists = {**self._ordered(self._lists()), **{name: [value] for name, value in self.hidden.items()}}
        return split(lists, self.node.schema.takes_lists)

    def shown(self) -> dict[str, Sequence[Any]]:
        """The inputs as error messages show them."""
        return {name: [_shown(value) for value in values] for name, values in self._ordered(self._lists()).items()}

    def _lists(self) -> dict[str, list[Any]]:
        return {**{name: [value] for name, value in self.single.items()}, **self.many}

    def _ordered(self, values: dict[str, Any]) -> dict[str, Any]:
        """In the order of the prompt, on which nodes that take any inputs may rely."""
        node = self.node
        if not node.links or not node.constants:
            return values
        return {name: values[name] for name in node.names if name in values}


def gather(node: GraphNode, results: Results, asked: Collection[str], hidden: HiddenValues) -> Inputs:
    """What a node gets now. Lazy inputs are None until they were asked for.

    Raises:
        MissingResult: a linked node has to run (again) first.
    """
    schema = node.schema
    rules = schema.rules
    every = schema.more is not None
    single = {name: value for name, value in node.constants.items() if every or name in rules}
    many: dict[str, list[Any]] = {}
    missing: dict[str, None] = {}
    for link in node.links:
        values = _read(link, node, results, asked)
        if values is None:
            missing[link[1]] = None
        elif len(values) == 1:
            single[link[0]] = values[0]
        else:
            many[link[0]] = values
    if missing:
        raise MissingResult(list(missing))
    return Inputs(node, single, many, hidden(node) if schema.hidden else {})


def _read(link: Link, node: GraphNode, results: Results, asked: Collection[str]) -> list[Any] | None:
    """The values behind a link; None if the linked node has to run first."""
    name, source, slot = link
    schema = node.schema
    if schema.lazy and name in schema.lazy and name not in asked:
        return [None]
    outputs = results.read(source)
    if outputs is None:
        return None
    if schema.raw and name in schema.raw:
        return [[source, slot]]
    return outputs[slot] if -len(outputs) <= slot < len(outputs) else [None]


def _shown(value: Any) -> Any:
    """A value for an error message: scalars as they are, tensors by kind, type and shape, the rest as short text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} {list(value.shape)} {value.dtype}"
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"
