"""``re``, for the short texts of which packs make their nodes' names; nothing that could take long is worked out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdk.inspection.values import Arguments, CannotKnow, Dict, External, Function, Keywords, List, Module, Native, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_FLAGS = {"I": re.I, "IGNORECASE": re.I, "M": re.M, "MULTILINE": re.M, "S": re.S, "DOTALL": re.S, "VERBOSE": re.X}
_MAX_COST = 200_000  # steps of a matcher that goes back as often as it can
_MAX_PATTERN = 300
_MAX_OPTIONAL = 6
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_METHODS = ("sub", "findall", "split", "match", "search", "fullmatch", "finditer")


def _pattern(run: Interpreter, pattern: Value, text: Value, flags: Value = None) -> re.Pattern[str]:
    """The compiled pattern, if matching the text with it is certain to be quick.

    Raises:
        CannotKnow: it is not, or something is not known.
    """
    if not isinstance(pattern, str) or not isinstance(text, str):
        raise CannotKnow("the text is known only when the code runs")
    unbounded = sum(pattern.count(sign) for sign in "*+{")
    optional = pattern.count("?") - pattern.count("(?")
    cost = (len(text) + 1) ** (unbounded + 1)
    slow = _REPEATED_GROUP.search(pattern) or optional > _MAX_OPTIONAL or len(pattern) > _MAX_PATTERN
    if slow or cost > _MAX_COST:
        raise CannotKnow("the pattern is too much work to be matched here")
    run.budget.spend(1 + cost // 1000)
    try:
        return re.compile(pattern, _flags(flags))
    except (re.error, OverflowError, RecursionError) as error:
        raise CannotKnow(f"the pattern is wrong ({error})") from error


def _flags(flags: Value) -> re.RegexFlag:
    if flags is None or flags == 0:
        return re.RegexFlag(0)
    name = flags.path.rpartition(".")[2] if isinstance(flags, External) else ""
    if name not in _FLAGS:
        raise CannotKnow("the pattern's flags are not known")
    return _FLAGS[name]


def _sub(run: Interpreter, pattern: Value, args: Arguments, keywords: Keywords, flags: Value) -> Value:
    replacement, text, *more = args
    count = more[0] if more else keywords.get("count", 0)
    if not isinstance(count, int):
        raise CannotKnow("how much is replaced is not known")
    found = _pattern(run, pattern, text, flags)
    if isinstance(replacement, Function | Native):
        return found.sub(lambda match: _replaced(run, replacement, match), text, count)
    if not isinstance(replacement, str):
        raise CannotKnow("what is put in is known only when the code runs")
    try:
        return found.sub(replacement, text, count)
    except (re.error, IndexError) as error:
        raise CannotKnow(f"the replacement is wrong ({error})") from error


def _replaced(run: Interpreter, replacement: Value, match: re.Match[str]) -> str:
    given = run.call_here(replacement, (_match(match),))
    if not isinstance(given, str):
        raise CannotKnow("what is put in is known only when the code runs")
    return given


def _match(match: re.Match[str] | None) -> Value:
    """What a program sees of a match."""
    if match is None:
        return None
    names: dict[str, Callable[[Arguments, Keywords], Value]] = {
        "group": lambda args, keywords: _group(match, args),
        "groups": lambda args, keywords: match.groups(),
        "start": lambda args, keywords: match.start(),
        "end": lambda args, keywords: match.end(),
    }
    return Module(file="", name="", names=Dict({name: Native(name, call) for name, call in names.items()}))


def _group(match: re.Match[str], args: Arguments) -> Value:
    try:
        return match.group(*args)
    except (IndexError, TypeError) as error:
        raise CannotKnow(f"there is no such group ({error})") from error


def _call(
    run: Interpreter, name: str, pattern: Value, args: Arguments, keywords: Keywords, flags: Value = None
) -> Value:
    if name == "sub":
        return _sub(run, pattern, args, keywords, flags)
    found = _pattern(run, pattern, args[0], flags)
    result: Any = getattr(found, name)(args[0])
    if name == "finditer":
        return List(_match(each) for each in result)
    return List(result) if isinstance(result, list) else _match(result)


def _function(name: str) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    own = 3 if name == "sub" else 2

    def call(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
        flags = args[own] if len(args) > own and name != "sub" else keywords.get("flags")
        return _call(run, name, args[0], args[1:own], keywords, flags)

    return call


def _compile(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    pattern, flags = args[0], args[1] if len(args) > 1 else keywords.get("flags")

    def bound(name: str) -> Native:
        return Native(name, lambda given, named: _call(run, name, pattern, given, named, flags))

    return Module(file="", name="", names=Dict({name: bound(name) for name in _METHODS} | {"pattern": pattern}))


def _escape(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if not isinstance(args[0], str):
        raise CannotKnow("the text is known only when the code runs")
    return re.escape(args[0])


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    **{f"re.{name}": _function(name) for name in _METHODS},
    "re.compile": _compile,
    "re.escape": _escape,
}
