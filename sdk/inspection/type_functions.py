"""Python's builtin functions about types and attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdk.inspection import attributes
from sdk.inspection.paths import text_of
from sdk.inspection.values import (
    CONSTANTS,
    Arguments,
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    Instance,
    Keywords,
    List,
    Made,
    Module,
    Super,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def _getattr(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    name = text_of(args[1])
    if len(args) < 3:
        return attributes.attribute(run, args[0], name)
    return attributes.attribute(run, args[0], name) if attributes.has(run, args[0], name) else args[2]


def _setattr(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if isinstance(args[0], Class | Instance | Module) and isinstance(args[1], str):
        args[0].names[args[1]] = args[2]


def _hasattr(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return attributes.has(run, args[0], text_of(args[1]))


def _isinstance(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    value, wanted = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    return any(_is_instance(value, each) for each in wanted)


def _is_instance(value: Value, kind: Value) -> bool:
    if kind is type and isinstance(value, External | Made) and not attributes.is_of_host_nodes(value):
        return False  # or none that is known as a node's class
    if isinstance(value, Unknown | Made) or (isinstance(value, External) and not value.is_module):
        raise CannotKnow("its type is known only when the code runs")
    if kind is type:
        return isinstance(value, Class)
    if isinstance(kind, type):
        pairs: Mapping[type, type] = {list: List, set: List, dict: Dict}
        return isinstance(value, pairs.get(kind, kind)) if isinstance(value, (*CONSTANTS, List, Dict, tuple)) else False
    if isinstance(kind, Class):
        return isinstance(value, Instance) and kind in value.of.line()
    if isinstance(kind, External) and isinstance(value, Function | Module | External):
        name = kind.path.rpartition(".")[2]
        return name == ("FunctionType" if isinstance(value, Function) else "ModuleType")
    if isinstance(kind, External) and isinstance(value, Class):
        return kind.path in ("inspect.isclass", "typing.Type")
    raise CannotKnow("its type is known only when the code runs")


def _issubclass(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    cls, wanted = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    if isinstance(cls, External | Made) and all(isinstance(each, Class) for each in wanted):
        return False  # a class from outside the pack can't be one of the pack's
    if not isinstance(cls, Class):
        raise CannotKnow("its bases are known only when the code runs")
    line = cls.line()
    if any(each == other for each in wanted for other in line) or object in wanted:
        return True
    if any(isinstance(base, External | Made | Unknown) for base in line) and not _all_inside(wanted):
        raise CannotKnow("its bases are known only when the code runs")
    return False


def _all_inside(wanted: Arguments) -> bool:
    return all(isinstance(each, Class) for each in wanted)


def _type(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if len(args) == 1:
        if isinstance(args[0], Instance):
            return args[0].of
        if isinstance(args[0], CONSTANTS):
            return type(args[0])
        raise CannotKnow("its type is known only when the code runs")
    name, bases, names = args[:3]
    if not isinstance(name, str) or not isinstance(names, Dict):
        raise CannotKnow("a class is made when the code runs")
    made = Class(name=name, node=None, scope=run.here.scope, bases=tuple(run.iterate(bases)), names=Dict(names))
    run.classes.append(made)
    return made


def _super(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    names = run.here.scope.names
    cls, owner = args if len(args) == 2 else (names.get("\0class"), names.get("\0self"))
    if not isinstance(cls, Class):
        raise CannotKnow("super() is worked out only when the code runs")
    return Super(cls, owner)


def _vars(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if not args:
        return run.here.scope.names
    if isinstance(args[0], Module | Class | Instance):
        return args[0].names
    raise CannotKnow("its names are known only when the code runs")


def _dir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return List(sorted(name for name in _vars(run, args, keywords) if isinstance(name, str)))


def _binding(name: str) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    def bound(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
        function = args[0] if args else keywords.get("fget")
        return dataclasses.replace(function, binding=name) if isinstance(function, Function) else function

    return bound


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    "getattr": _getattr,
    "setattr": _setattr,
    "hasattr": _hasattr,
    "isinstance": _isinstance,
    "issubclass": _issubclass,
    "type": _type,
    "super": _super,
    "vars": _vars,
    "dir": _dir,
    **{name: _binding(name) for name in ("classmethod", "staticmethod", "property")},
}
