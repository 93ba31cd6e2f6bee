"""Python's builtin functions, as far as they build mappings of nodes."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sdk.inspection import attributes
from sdk.inspection.dicts import merge_into
from sdk.inspection.enums import as_text, is_enum
from sdk.inspection.opened_files import open_file
from sdk.inspection.paths import text_of
from sdk.inspection.values import (
    CONSTANTS,
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    Instance,
    List,
    Made,
    Module,
    PathValue,
    Super,
    Unknown,
    Value,
    is_known,
    truth,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

Arguments = tuple[Value, ...]
Keywords = Mapping[str, Value]
_MAX_RANGE = 20_000
TYPES: Mapping[str, type] = {
    kind.__name__: kind for kind in (str, int, float, bool, bytes, list, tuple, dict, set, frozenset, type, object)
}


def _dict(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    made = Dict()
    for more in args:
        merge_into(run, made, more, run.here.scope, run.here.node)
    made.update(keywords)
    return made


def _list(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.iterate(args[0]) if args else List()


def _tuple(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = _list(run, args, keywords)
    return items if items.holes else tuple(items)


def _sorted(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = _list(run, args, keywords)
    if all(isinstance(item, str) for item in items) or all(isinstance(item, int | float) for item in items):
        items.sort(reverse=keywords.get("reverse") is True)
    return items


def _reversed(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = _list(run, args, keywords)
    items.reverse()
    return items


def _zip(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    columns = [run.iterate(each) for each in args]
    return List(zip(*columns, strict=False), [hole for column in columns for hole in column.holes])


def _zip_longest(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    columns = [run.iterate(each) for each in args]
    return List(zip_longest(*columns), [hole for column in columns for hole in column.holes])


def _enumerate(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = _list(run, args[:1], keywords)
    start = keywords.get("start", args[1] if len(args) > 1 else 0)
    return List(enumerate(items, start if isinstance(start, int) else 0), items.holes)


def _range(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if not args or not all(isinstance(item, int) for item in args):
        raise CannotKnow("the range is known only when the code runs")
    try:
        numbers = range(*args)
        if len(numbers) > _MAX_RANGE:
            raise CannotKnow("the range is too long to be gone through here")
    except (TypeError, ValueError, OverflowError) as error:
        raise CannotKnow(f"range() fails ({error})") from error
    return List(numbers)


def _map(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    function, *columns = args
    rows = _zip(run, tuple(columns), keywords)
    return List((run.call_here(function, row) for row in rows), rows.holes)


def _filter(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    function, items = args[0], run.iterate(args[1])
    kept = List((), items.holes)
    for item in items:
        known = truth(item if function is None else run.call_here(function, (item,)))
        if known is None:
            kept.holes.append(Unknown("the filter is known only when the code runs"))
        elif known:
            kept.append(item)
    return kept


def _str(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return _plain(str, (shown(run, args[0] if args else ""),))


def shown(run: Interpreter, value: Value) -> Value:
    """What ``str()`` makes of a path or an object; any other value as it is."""
    if isinstance(value, PathValue):
        return value.text
    if isinstance(value, Instance):
        if isinstance(method := value.of.lookup("__str__"), Function):
            return run.invoke(method, (value,), {})
        return as_text(value) if value.of.is_from("StrEnum") or not is_enum(value.of) else value
    return value


def _plain(function: Callable[..., Any], args: Arguments) -> Value:
    if not all(map(is_known, args)):
        raise CannotKnow(f"{function.__name__}() is known only when the code runs")
    try:
        result = function(*args)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CannotKnow(f"{function.__name__}() fails ({error})") from error
    return List(result) if type(result) is list else result


def _simple(function: Callable[..., Any]) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    return lambda run, args, keywords: _plain(function, args)


def _len(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if isinstance(args[0], str | tuple) or (isinstance(args[0], List | Dict) and not args[0].holes):
        return len(args[0])
    raise CannotKnow("the length is known only when the code runs")


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


def _globals(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.module.names


def _locals(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.names


def _vars(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if not args:
        return run.here.scope.names
    if isinstance(args[0], Module | Class | Instance):
        return args[0].names
    raise CannotKnow("its names are known only when the code runs")


def _dir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return List(sorted(name for name in _vars(run, args, keywords) if isinstance(name, str)))


def _import(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.import_module(args[0] if args else keywords.get("name"), None)


def _next(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = run.iterate(args[0])
    if items:
        return items[0]
    if len(args) > 1 and not items.holes:
        return args[1]
    raise CannotKnow("the next item is known only when the code runs")


def _super(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    names = run.here.scope.names
    cls, owner = args if len(args) == 2 else (names.get("\0class"), names.get("\0self"))
    if not isinstance(cls, Class):
        raise CannotKnow("super() is worked out only when the code runs")
    return Super(cls, owner)


def _any(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    known = [truth(item) for item in run.iterate(args[0])]
    return True if True in known else _unless(None in known, False)


def _all(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    known = [truth(item) for item in run.iterate(args[0])]
    return False if False in known else _unless(None in known, True)


def _unless(unknown: bool, answer: bool) -> bool:
    if unknown:
        raise CannotKnow("the condition is known only when the code runs")
    return answer


def _callable(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if isinstance(args[0], Function | Class):
        return True
    return _unless(isinstance(args[0], Unknown | External | Made), False)


def _exec(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    run.note(run.here.scope.module.file, getattr(run.here.node, "lineno", 0), "exec() may define more than can be seen")
    return None


def _print(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return None


def _binding(name: str) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    def bound(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
        function = args[0] if args else keywords.get("fget")
        return dataclasses.replace(function, binding=name) if isinstance(function, Function) else function

    return bound


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = types.MappingProxyType(
    {
        "dict": _dict,
        **dict.fromkeys(("list", "set", "frozenset", "iter"), _list),
        "tuple": _tuple,
        "sorted": _sorted,
        "reversed": _reversed,
        "zip": _zip,
        "itertools.zip_longest": _zip_longest,
        "enumerate": _enumerate,
        "range": _range,
        "map": _map,
        "filter": _filter,
        "str": _str,
        **{function.__name__: _simple(function) for function in (int, float, bool, abs, min, max, sum, round, repr)},
        "len": _len,
        "getattr": _getattr,
        "setattr": _setattr,
        "hasattr": _hasattr,
        "isinstance": _isinstance,
        "issubclass": _issubclass,
        "type": _type,
        "globals": _globals,
        "locals": _locals,
        "vars": _vars,
        "dir": _dir,
        "__import__": _import,
        "next": _next,
        "super": _super,
        "any": _any,
        "all": _all,
        "callable": _callable,
        "print": _print,
        "exec": _exec,
        "open": open_file,
        **{name: _binding(name) for name in ("classmethod", "staticmethod", "property")},
    }
)
