"""Methods of texts, lists and dicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdk.inspection.dicts import merge_into, set_item
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
        "replace",
    ]
)
_MAX_REPLACED = 1000
_FIELD_WITH_MORE = re.compile(r"\{[^{}]*[:.\[!]")  # widths may be huge, attributes are not known
_ERRORS = (TypeError, ValueError, IndexError, KeyError)


def method(run: Interpreter, value: Value, name: str, missing: Value) -> Value:
    """A bound method; ``missing`` where it is not known here."""
    if isinstance(value, str):
        if name == "format":
            return Native(name, lambda args, keywords: _format(value, args, keywords))
        return Native(name, lambda args, keywords: _of_text(value, name, args)) if name in _TEXT else missing
    table: Mapping[str, Callable[..., Value]] = _OF_DICT if isinstance(value, Dict) else _OF_LIST
    found = table.get(name)
    return missing if found is None else Native(name, lambda args, keywords: found(run, value, args, keywords))


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
}
_OF_LIST: Mapping[str, Callable[..., Value]] = {
    "append": _append,
    "add": _append,
    "extend": _extend,
    "update": _extend,
    "insert": _insert,
    "copy": _copy,
    "clear": _clear,
    "sort": _sort,
    "index": _index,
}
