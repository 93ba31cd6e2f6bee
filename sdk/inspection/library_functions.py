"""Functions of the standard library, as far as packs define nodes with them."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdk.inspection import file_functions, functional, import_functions, opened_files, regular_expressions
from sdk.inspection.builtin_functions import FUNCTIONS as BUILTINS
from sdk.inspection.values import (
    Arguments,
    CannotKnow,
    Class,
    Dict,
    Function,
    Instance,
    Keywords,
    List,
    Made,
    Module,
    Record,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_MAX_COPIED = 12  # levels


def _current_frame(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.module


def _file_of(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    holder = args[0]
    module = holder.scope.module if isinstance(holder, Class | Function) else holder
    if not isinstance(module, Module) or not module.file:
        raise CannotKnow("its file is known only when the code runs")
    return run.files.absolute(module.file)


def _getmembers(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    holder = args[0]
    if not isinstance(holder, Module | Class):
        raise CannotKnow("its members are known only when the code runs")
    wanted = args[1] if len(args) > 1 else keywords.get("predicate")
    members = List()
    for name in sorted(name for name in holder.names if isinstance(name, str) and not name.startswith("\0")):
        value = holder.names[name]
        if wanted is None or run.call_here(wanted, (value,)) is True:
            members.append((name, value))
    return members


def _isclass(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return isinstance(args[0], Class)


def _isfunction(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return isinstance(args[0], Function)


def _ordered_dict(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, args, keywords)


def _default_dict(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, args[1:], keywords)


def _chain_map(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, (), {}) if not args else _merged(run, args)


def _merged(run: Interpreter, args: Arguments) -> Value:
    made = Dict()
    for part in reversed(args):
        BUILTINS["dict"](run, (part,), {})
        made.update(part if isinstance(part, Dict) else {})
        made.holes.extend(part.holes if isinstance(part, Dict) else [Unknown("a part of it is not known")])
    return made


def _same(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return args[0]


def _copy(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return copied(run, args[0], depth=1)


def _deep_copy(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return copied(run, args[0], depth=_MAX_COPIED)


def copied(run: Interpreter, value: Value, depth: int) -> Value:
    """A copy, so that what is changed later in one of them is not changed in the other."""
    if not depth:
        return value
    run.budget.spend_for(value)
    if isinstance(value, Dict):
        made = Dict((key, copied(run, item, depth - 1)) for key, item in value.items())
        made.holes, made.of, made.attributes = list(value.holes), value.of, dict(value.attributes)
        return made
    if isinstance(value, List):
        return List((copied(run, item, depth - 1) for item in value), value.holes)
    if isinstance(value, Made):
        keywords = {key: copied(run, item, depth - 1) for key, item in value.keywords.items()}
        return dataclasses.replace(value, keywords=keywords)
    if isinstance(value, tuple) and not isinstance(value, Record):
        return tuple(copied(run, item, depth - 1) for item in value)
    return value


def _replace(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """``dataclasses.replace`` of a node's schema or of the pack's own record; of others it is noted."""
    value = args[0]
    if isinstance(value, Made) and value.path.endswith(".Schema"):
        return dataclasses.replace(value, keywords={**value.keywords, **keywords})
    if isinstance(value, Instance):
        return Instance(value.of, Dict({**value.names, **keywords}))
    return Made(run.external("dataclasses.replace"), args, dict(keywords), "", 0)


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = types.MappingProxyType(
    {
        "importlib.reload": _same,
        "inspect.getmembers": _getmembers,
        "inspect.currentframe": _current_frame,
        **dict.fromkeys(("inspect.getfile", "inspect.getsourcefile", "inspect.getabsfile"), _file_of),
        "inspect.isclass": _isclass,
        "inspect.isfunction": _isfunction,
        **dict.fromkeys(("collections.OrderedDict", "types.MappingProxyType"), _ordered_dict),
        "collections.defaultdict": _default_dict,
        "collections.ChainMap": _chain_map,
        "itertools.zip_longest": BUILTINS["itertools.zip_longest"],
        "copy.copy": _copy,
        "copy.deepcopy": _deep_copy,
        "dataclasses.replace": _replace,
        **file_functions.FUNCTIONS,
        **functional.FUNCTIONS,
        **import_functions.FUNCTIONS,
        **opened_files.FUNCTIONS,
        **regular_expressions.FUNCTIONS,
        "typing.cast": lambda run, args, keywords: args[1],
    }
)
