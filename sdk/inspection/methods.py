"""Methods of texts, lists and dicts."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdk.inspection.dicts import merge_into, set_item
from sdk.inspection.operators import combine, compared
from sdk.inspection.values import (
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    List,
    Made,
    Native,
    Subscripted,
    Unknown,
    Value,
    is_known,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_TEXT = frozenset(
    [
        "capitalize",
        "casefold",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "isidentifier",
        "islower",
        "isnumeric",
        "isspace",
        "istitle",
        "isupper",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "rfind",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
        "translate",
        "replace",
    ]
)
_PADDED = frozenset(["center", "ljust", "rjust", "zfill"])
_MAX_WIDTH = 200
_FIELD_WITH_MORE = re.compile(r"\{[^{}]*[:.\[!]")  # widths may be huge, attributes are not known
_ERRORS = (TypeError, ValueError, IndexError, KeyError)


def method(run: Interpreter, value: Value, name: str, missing: Value) -> Value:
    """A bound method; ``missing`` where it is not known here."""
    if isinstance(value, str):
        if name == "format":
            return Native(name, lambda args, keywords: _format(value, args, keywords))
        if name not in _TEXT and name not in _PADDED:
            return missing
        return Native(name, lambda args, keywords: _of_text(value, name, args))
    table: Mapping[str, Callable[..., Value]] = _OF_DICT if isinstance(value, Dict) else _OF_LIST
    found = table.get(name)
    return missing if found is None else Native(name, lambda args, keywords: found(run, value, args, keywords))


def of_type(run: Interpreter, kind: type, name: str, missing: Value) -> Value:
    """A method of a builtin type, taken from the type itself."""
    if kind is dict and name == "fromkeys":
        return Native(name, lambda args, keywords: _fromkeys(run, args))
    if kind is type and name in ("__new__", "__init__"):
        return Native(name, lambda args, keywords: _made_by_type(run, args) if name == "__new__" else None)
    if kind is str and name == "maketrans":
        return Native(name, lambda args, keywords: _translation(args))
    if kind is str and name in _TEXT:
        return Native(name, lambda args, keywords: _of_text(args[0], name, args[1:]))
    return missing


def _fromkeys(run: Interpreter, args: tuple[Value, ...]) -> Value:
    keys, value = run.iterate(args[0]), args[1] if len(args) > 1 else None
    made = Dict()
    for key in keys:
        set_item(made, key, value)
    made.holes.extend(keys.holes)
    return made


def _translation(args: tuple[Value, ...]) -> Value:
    if not all(map(is_known, args)):
        raise CannotKnow("the text is known only when the code runs")
    try:
        return Dict(str.maketrans(*(dict(arg) if isinstance(arg, Dict) else arg for arg in args)))
    except _ERRORS as error:
        raise CannotKnow(f"maketrans() fails ({error})") from error


def _made_by_type(run: Interpreter, args: tuple[Value, ...]) -> Value:
    """The class that a metaclass makes: the one being defined, or a new one if it is given another name or body."""
    _, name, bases, names = args[:4]
    defined = next((each for each in reversed(run.classes) if each.names is names), None)
    if defined is not None and defined.name == name:
        return defined
    if not isinstance(name, str) or not isinstance(names, Dict):
        raise CannotKnow("a class is made when the code runs")
    made = Class(
        name=name, node=defined.node if defined else None, scope=run.here.scope, bases=tuple(bases), names=names
    )
    run.classes.append(made)
    return made


def _format(text: str, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> str:
    if _FIELD_WITH_MORE.search(text) or not all(map(is_known, (*args, *keywords.values()))):
        raise CannotKnow("the text is formatted only when the code runs")
    try:
        return text.format(*args, **keywords)
    except _ERRORS as error:
        raise CannotKnow(f"format() fails ({error})") from error


def _of_text(text: str, name: str, args: tuple[Value, ...]) -> Value:
    if not all(map(is_known, args)):
        raise CannotKnow("the text is known only when the code runs")
    if name == "replace" and len(text) * max((len(a) for a in args if isinstance(a, str)), default=0) > 1_000_000:
        raise CannotKnow("the text is too long to be worked out here")
    if name in _PADDED and not (isinstance(args[0], int) and args[0] <= _MAX_WIDTH):
        raise CannotKnow("the text is too long to be worked out here")
    if name == "translate":
        args = (dict(args[0]),)
    try:
        result: Any = getattr(text, name)(*args)
    except _ERRORS as error:
        raise CannotKnow(f"{name}() fails ({error})") from error
    return List(result) if isinstance(result, list) else result


def _update(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    for more in args:
        merge_into(run, target, more, run.here.scope, run.here.node)
    target.update(keywords)


def _setdefault(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    key, value = (*args, None)[:2] if args else (Unknown("the key is not known"), None)
    if is_known(key) and not isinstance(key, List | Dict):
        return target.setdefault(key, value)
    set_item(target, key, value)
    return value


def _get(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    key, default = (*args, None)[:2]
    if not is_known(key) and not isinstance(key, Class | Function):
        raise CannotKnow("the key is known only when the code runs")
    if key not in target and target.holes:
        raise CannotKnow(target.holes[0].reason)
    return target.get(key, default)


def _set_item(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    set_item(target, *args)


def _get_item(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    return _get(run, target, (args[0], Unknown("there is no such item")), keywords)


def _contains(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    return compared(ast.In(), args[0], target)


def _pop(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    key, default = (*args, None)[:2]
    if not is_known(key):
        raise CannotKnow("the key is known only when the code runs")
    return target.pop(key, default)


def _keys(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    return List(target.keys(), target.holes)


def _values(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    return List(target.values(), target.holes)


def _items(run: Interpreter, target: Dict, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    return List(target.items(), target.holes)


def _copy(run: Interpreter, target: Dict | List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    made = Dict(target) if isinstance(target, Dict) else List(target)
    made.holes = list(target.holes)
    return made


def _clear(run: Interpreter, target: Dict | List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    target.clear()
    target.holes.clear()


def _append(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    target.extend(args[-1:])


def _insert(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    position, value = args if len(args) == 2 else (None, None)
    target.insert(position if isinstance(position, int) else len(target), value)


def _extend(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    for more in args:
        items = run.iterate(more)
        target.extend(items)
        target.holes.extend(items.holes)


def _pop_item(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    position = args[0] if args else -1
    if target.holes or not isinstance(position, int) or not -len(target) <= position < len(target):
        raise CannotKnow("the item is known only when the code runs")
    return target.pop(position)


def _remove(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    place = next((place for place, item in enumerate(target) if item is args[0] or item == args[0]), None)
    if place is not None:
        del target[place]


def _reverse(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    target.reverse()


def _union(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    made = List(target, target.holes)
    _extend(run, made, args, keywords)
    return made


def _difference(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    made = List(target, target.holes)
    for more in args:
        made = combine(ast.Sub(), made, run.iterate(more))
    return made


def _sort(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    if not keywords and all(isinstance(item, str) for item in target):
        target.sort()


def _index(run: Interpreter, target: List, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    if not all(map(is_known, args)) or not is_known(target):
        raise CannotKnow("the position is known only when the code runs")
    try:
        return target.index(*args)
    except _ERRORS as error:
        raise CannotKnow(f"index() fails ({error})") from error


def is_opaque(value: Value) -> bool:
    """Whether nothing is known of a value but where it comes from."""
    return isinstance(value, Unknown | External | Made | Subscripted)


_OF_DICT: Mapping[str, Callable[..., Value]] = {
    "update": _update,
    "setdefault": _setdefault,
    "get": _get,
    "pop": _pop,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "copy": _copy,
    "clear": _clear,
    "__setitem__": _set_item,
    "__getitem__": _get_item,
    "__contains__": _contains,
}
_OF_LIST: Mapping[str, Callable[..., Value]] = {
    "append": _append,
    "add": _append,
    "extend": _extend,
    "update": _extend,
    "insert": _insert,
    "copy": _copy,
    "clear": _clear,
    "pop": _pop_item,
    **dict.fromkeys(("remove", "discard"), _remove),
    "reverse": _reverse,
    "union": _union,
    "difference": _difference,
    "sort": _sort,
    "index": _index,
}
