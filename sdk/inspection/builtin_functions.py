"""Python's builtin functions, as far as they build mappings of nodes."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sdk.inspection import type_functions
from sdk.inspection.dicts import merge_into
from sdk.inspection.enums import as_text, is_enum
from sdk.inspection.opened_files import open_file
from sdk.inspection.values import (
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
    PathValue,
    Unknown,
    Value,
    is_known,
    truth,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

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


def _globals(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.module.names


def _locals(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.names


def _import(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.import_module(args[0] if args else keywords.get("name"), None)


def _next(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = run.iterate(args[0])
    if items:
        return items[0]
    if len(args) > 1 and not items.holes:
        return args[1]
    raise CannotKnow("the next item is known only when the code runs")


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
        "globals": _globals,
        "locals": _locals,
        "__import__": _import,
        "next": _next,
        "any": _any,
        "all": _all,
        "callable": _callable,
        "print": _print,
        "exec": _exec,
        "open": open_file,
        **type_functions.FUNCTIONS,
    }
)
