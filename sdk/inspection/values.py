"""What an expression of a pack may be worth without running the pack.

Constants, tuples, ``List`` and ``Dict`` are Python's own; everything else is one of the records below. Whatever is not
known is an ``Unknown``, which says why and where; it is never replaced by a guess.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = Any
Arguments = tuple[Value, ...]
Keywords = Mapping[str, Value]
MORE = "\0more"
"""Among the keywords of a call: arguments that are not known."""
CONSTANTS = (str, int, float, bool, bytes, type(None), complex)


@dataclass(frozen=True, eq=False)
class Unknown:
    """A value that only running the code would tell; ``source`` is what of the host it comes from, where known."""

    reason: str
    file: str = ""
    line: int = 0
    source: Value = None


class List(list[Value]):
    """A list or set; ``holes`` are unknown numbers of unknown items."""

    def __init__(self, items: Iterable[Value] = (), holes: Iterable[Unknown] = ()) -> None:
        super().__init__(items)
        self.holes = list(holes)

    __hash__ = object.__hash__  # type: ignore[assignment]


class Rounds(List):
    """What a loop goes through, found out round by round: a round may change what the later ones are."""

    def __init__(self, start: Callable[[], Iterator[Value]]) -> None:
        super().__init__()
        self._start = start

    def __iter__(self) -> Iterator[Value]:
        return self._start()


class Dict(dict[Value, Value]):
    """A dict; ``holes`` are entries whose keys are not known.

    One of a class of the pack has it as ``of``, and its attributes apart from its entries.
    """

    def __init__(self, items: Mapping[Value, Value] | Iterable[tuple[Value, Value]] = ()) -> None:
        super().__init__(items)
        self.holes: list[Unknown] = []
        self.of: Class | None = None
        self.attributes: dict[str, Value] = {}

    __hash__ = object.__hash__  # type: ignore[assignment]


class Record(tuple[Value, ...]):
    """A named tuple."""

    fields: tuple[str, ...]

    def __new__(cls, fields: Iterable[str], values: Iterable[Value]) -> Record:
        made = super().__new__(cls, values)
        made.fields = tuple(fields)
        return made


@dataclass(frozen=True, eq=False)
class Module:
    """A module of the pack; ``file`` is relative to the pack's folder, ``name`` dotted below it."""

    file: str
    name: str
    names: Dict = field(default_factory=Dict)


@dataclass(frozen=True, eq=False)
class Scope:
    """Where names are looked up: here, then in ``parent``, then among the builtins."""

    module: Module
    names: Dict
    parent: Scope | None = None
    globals: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the pack; ``binding`` is ``method``, ``classmethod``, ``staticmethod`` or ``property``."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: Mapping[str, Value] = field(default_factory=dict)
    binding: str = "method"
    owner: Class | None = None

    @property
    def name(self) -> str:
        return "<lambda>" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(frozen=True, eq=False)
class Class:
    """A class of the pack; ``names`` is its body, ``meta`` its metaclass where that is the pack's own."""

    name: str
    node: ast.ClassDef | None
    scope: Scope
    bases: tuple[Value, ...]
    names: Dict = field(default_factory=Dict)
    meta: Class | None = None

    def lookup(self, name: str) -> Value:
        """The attribute as it stands in the body of this class or of a base; None where there is none."""
        for each in self.line():
            if isinstance(each, Class) and name in each.names:
                return each.names[name]
        return None

    def line(self) -> list[Value]:
        """This class and its bases, depth first; those outside the pack too."""
        found: list[Value] = []
        waiting: list[Value] = [self]
        while waiting:
            each = waiting.pop(0)
            if all(each is not other for other in found):
                found.append(each)
                waiting[:0] = each.bases if isinstance(each, Class) else ()
        return found

    def after(self, cls: Class) -> list[Value]:
        """The classes that come after ``cls`` in the line."""
        line = self.line()
        return line[line.index(cls) + 1 :] if cls in line else []

    def is_from(self, name: str) -> bool:
        """Whether a base outside the pack has this as the last part of its name."""
        return any(isinstance(base, External) and base.path.split(".")[-1] == name for base in self.line())


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of a class of the pack."""

    of: Class
    names: Dict = field(default_factory=Dict)


@dataclass(frozen=True, eq=False)
class Super:
    """``super()`` in a method of ``cls``, called for ``owner``."""

    cls: Class
    owner: Value


@dataclass(frozen=True, eq=False)
class Bound:
    """A method together with its class or object."""

    function: Function
    owner: Value


@dataclass(frozen=True)
class External:
    """Something outside the pack, by its dotted path; ``owner`` is what it is an attribute of, where that was made."""

    path: str
    is_module: bool = False
    owner: Made | Subscripted | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Made:
    """What calling something outside the pack gives."""

    callee: Value
    args: tuple[Value, ...]
    keywords: dict[str, Value]
    file: str
    line: int

    @property
    def path(self) -> str:
        """Dotted path of what is called, at any number of calls."""
        return self.callee.path if isinstance(self.callee, External | Made) else ""


@dataclass(frozen=True, eq=False)
class Subscripted:
    """Something outside the pack with arguments in brackets, as in annotations."""

    value: Value
    arguments: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Native:
    """A function that is worked out here: ``call(args, keywords)``."""

    name: str
    call: Callable[[tuple[Value, ...], Mapping[str, Value]], Value]


@dataclass(frozen=True)
class PathValue:
    """A ``pathlib.Path``."""

    text: str


@dataclass(frozen=True)
class FileValue:
    """A text file of the pack, opened for reading."""

    text: str


class CannotKnow(Exception):
    """Raised inside the reading where a value turns out to be unknowable; becomes an ``Unknown``."""


def truth(value: Value) -> bool | None:
    """Whether a value counts as true; None where that is not known."""
    if isinstance(value, List | Dict):
        return bool(value) or (None if value.holes else False)
    if isinstance(value, (*CONSTANTS, tuple)):
        return bool(value)
    if isinstance(value, Function | Class | Module | Bound | Native | PathValue | FileValue | Instance):
        return True
    return None


def is_known(value: Value) -> bool:
    """Whether a value is made of constants alone, deep inside too."""
    if isinstance(value, List | Dict) and value.holes:
        return False
    if isinstance(value, Dict):
        return all(is_known(key) and is_known(item) for key, item in value.items())
    if isinstance(value, List | tuple):
        return all(map(is_known, value))
    return isinstance(value, CONSTANTS)


def either(one: Value, other: Value) -> Value:
    """What a name is worth after a branch that may have been taken or not."""
    if one is other or other is None or isinstance(other, Unknown):
        return one
    if one is None or isinstance(one, Unknown):
        return other
    if isinstance(one, Dict) and isinstance(other, Dict):
        both = Dict({**other, **one})
        both.holes = [*one.holes, *(hole for hole in other.holes if hole not in one.holes)]
        return both
    if isinstance(one, List) and isinstance(other, List):
        return List([*one, *(item for item in other if all(item is not each for each in one))], one.holes + other.holes)
    if isinstance(one, CONSTANTS) and isinstance(other, CONSTANTS) and one != other:
        return Unknown("depends on a condition")
    return one
