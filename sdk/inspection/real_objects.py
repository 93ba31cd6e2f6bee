"""Turns what is known of a value into the object itself, for the few types that annotations of nodes are made of."""

from __future__ import annotations

import ast
import collections
import collections.abc
import dataclasses
import typing
from typing import TYPE_CHECKING, Any

import sdk
from sdk.inspection.enums import enum_names, is_enum
from sdk.inspection.source import Unreadable, parse
from sdk.inspection.values import (
    CONSTANTS,
    Class,
    Dict,
    External,
    Instance,
    List,
    Made,
    Scope,
    Subscripted,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_CALLED = frozenset(
    {
        "Choice",
        "ForceInput",
        "Lazy",
        "Multiline",
        "Omittable",
        "Options",
        "Range",
        "RawLink",
        "Seed",
        "Shaped",
        "Socket",
        "Tooltip",
        "TypedCombo",
    }
)
_GENERICS = frozenset({"Annotated", "Any", "Literal", "Optional", "Union", "List", "Tuple", "Dict", "NamedTuple"})
_BUILT_IN = (int, float, str, bool, bytes, list, tuple, dict, set, object, type(None))


class NotReal(Exception):
    """The object is not known without running the code."""


class Realiser:
    """Makes objects; types that a pack declares are made once."""

    def __init__(self, run: Interpreter) -> None:
        self._run = run
        self._tuples: dict[int, type] = {}

    def annotation(self, scope: Scope, node: ast.expr) -> Any:
        """The object that an annotation means; one in quotes is read like the others.

        Raises:
            NotReal: a part of it is not known.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                body = parse(node.value.strip()).body
            except Unreadable as error:
                raise NotReal(error.reason) from error
            if len(body) != 1 or not isinstance(body[0], ast.Expr):
                raise NotReal(f"{node.value!r} is no annotation")
            node = body[0].value
        return self.real(self._run.evaluate(scope, node), scope)

    def real(self, value: Value, scope: Scope | None = None) -> Any:
        """The object.

        Raises:
            NotReal: a part of it is not known, or it is of another kind than annotations and defaults are made of.
        """
        match value:
            case Unknown():
                raise NotReal(value.reason)
            case External():
                return _named(value.path)
            case Made():
                return self._called(value)
            case Subscripted():
                return self._subscripted(value, scope)
            case Class():
                return self._class(value)
            case Instance() if is_enum(value.of):
                return self.real(value.names["value"])
        return self._plain(value)

    def _plain(self, value: Value) -> Any:
        if isinstance(value, Dict) and not value.holes:
            return {self.real(key): self.real(item) for key, item in value.items()}
        if isinstance(value, List) and not value.holes:
            return [self.real(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.real(item) for item in value)
        if isinstance(value, CONSTANTS) or value is ... or (isinstance(value, type) and value in _BUILT_IN):
            return value
        raise NotReal(f"{value!r:.80} is known only when the code runs")

    def _called(self, made: Made) -> Any:
        name = made.path.rpartition(".")[2]
        if made.path.split(".")[0] != "sdk" or name not in _CALLED:
            raise NotReal(f"{made.path}() is known only when the code runs")
        marker = _named(made.path)
        keywords = {key: self.real(value) for key, value in made.keywords.items()}
        return marker(*(self.real(item) for item in made.args), **keywords)

    def _subscripted(self, value: Subscripted, scope: Scope | None) -> Any:
        origin = self.real(value.value)
        arguments = []
        for item in value.arguments:
            quoted = isinstance(item, str) and origin is not typing.Literal and scope is not None
            arguments.append(self.annotation(scope, ast.Constant(item)) if quoted and scope else self.real(item, scope))
        return origin[tuple(arguments) if len(arguments) != 1 else arguments[0]]

    def _class(self, cls: Class) -> Any:
        if not cls.is_from("NamedTuple"):
            if is_enum(cls):
                return typing.Literal[tuple(self.real(cls.names[name]) for name in enum_names(cls))]
            raise NotReal(f"{cls.name} is no type that a node's annotations know")
        if id(cls) not in self._tuples:
            fields = cls.names.get("\0fields") or {}
            inner = dataclasses.replace(cls.scope)
            hints = [(name, self.annotation(inner, node)) for name, node in fields.items()]
            made: Any = collections.namedtuple("fields", [name for name, _ in hints])  # type: ignore[misc]
            made.__annotations__ = dict(hints)
            self._tuples[id(cls)] = made
        return self._tuples[id(cls)]


def _named(path: str) -> Any:
    parts = path.split(".")
    if parts[0] == "builtins":
        parts = parts[1:]
    if parts[0] == "sdk" and len(parts) > 1:
        return _of_sdk(parts)
    if parts[0] in ("typing", "typing_extensions") and parts[-1] in _GENERICS:
        return getattr(typing, parts[-1])
    if parts[:2] == ["collections", "abc"] and len(parts) == 3:
        return getattr(collections.abc, parts[2])
    raise NotReal(f"{path} comes from outside the pack")


def _of_sdk(parts: list[str]) -> Any:
    """A public name of the SDK, also where it was imported from the module that defines it."""
    name = next((part for part in parts[1:] if part in sdk.__all__), None)
    if name is None:
        from sdk import markers

        name = next((part for part in parts[1:] if hasattr(markers, part)), None)
        if name is None:
            raise NotReal(f"{'.'.join(parts)} is no public name of the SDK")
        found: Any = getattr(markers, name)
    else:
        found = getattr(sdk, name)
    for attribute in parts[parts.index(name) + 1 :]:
        found = getattr(found, attribute)
    return found
