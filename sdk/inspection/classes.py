"""Functions and classes of a pack: what defining one gives, and what calling one gives."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdk.inspection.dicts import merge_into
from sdk.inspection.functional import record
from sdk.inspection.values import (
    MORE,
    Bound,
    Class,
    Dict,
    External,
    Function,
    Instance,
    List,
    Made,
    Native,
    Scope,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_BINDINGS = frozenset({"classmethod", "staticmethod", "property"})
CHANGED = "dataclasses.replace"  # what happens to a node record under a decorator of the pack's own
NODE_DECORATORS = frozenset({"sdk.node", "sdk.define.node"})


def make_function(run: Interpreter, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    """The function that a definition binds, before its decorators."""
    return Function(node=node, scope=_visible(scope), defaults=run.defaults(scope, node.args))


def _visible(scope: Scope) -> Scope:
    """A function in a class does not see the class's names."""
    return scope.parent if isinstance(scope, ClassScope) and scope.parent is not None else scope


@dataclasses.dataclass(frozen=True, eq=False)
class ClassScope(Scope):
    """The body of a class."""


def make_class(run: Interpreter, scope: Scope, node: ast.ClassDef) -> Class:
    """The class that a definition binds, with its body run."""
    bases = tuple(run.evaluate(scope, base) for base in node.bases if not isinstance(base, ast.Starred))
    names = Dict()
    keywords = {word.arg: run.evaluate(scope, word.value) for word in node.keywords if word.arg}
    meta = _metaclass(keywords.pop("metaclass", None), bases)
    made = Class(name=node.name, node=node, scope=scope, bases=bases, names=names, meta=meta)
    run.classes.append(made)
    run.run_body(ClassScope(module=scope.module, names=names, parent=_visible(scope)), node.body)
    for name, value in list(names.items()):
        if isinstance(value, Function) and value.node in node.body:
            names[name] = dataclasses.replace(value, owner=made)
    if meta is not None:
        _make_by_metaclass(run, meta, made)
    hooks = (each.names.get("__init_subclass__") for each in made.line()[1:] if isinstance(each, Class))
    if isinstance(hook := next(filter(None, hooks), None), Function):
        run.invoke(hook, (made,), keywords)
    return made


def _metaclass(said: Value, bases: tuple[Value, ...]) -> Class | None:
    inherited = (base.meta for base in bases if isinstance(base, Class) and base.meta is not None)
    return said if isinstance(said, Class) else next(inherited, None)


def _make_by_metaclass(run: Interpreter, meta: Class, made: Class) -> None:
    """What a metaclass of the pack does with a new class, such as registering it."""
    given = (made.name, made.bases, made.names)
    for name, first in (("__new__", meta), ("__init__", made)):
        if isinstance(method := meta.lookup(name), Function):
            run.invoke(method, (first, *given), {})


def decorated(
    run: Interpreter, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, value: Value
) -> Value:
    """The value after its decorators; those from outside the pack leave it as it is, but for ``@node``."""
    for expression in reversed(node.decorator_list):
        if isinstance(expression, ast.Name) and expression.id in _BINDINGS and isinstance(value, Function):
            value = dataclasses.replace(value, binding=expression.id)
            continue
        decorator = run.evaluate(scope, expression)
        if isinstance(decorator, External | Made):
            if decorator.path.endswith(".comfytype") and isinstance(value, Class) and isinstance(decorator, Made):
                value.names["io_type"] = decorator.keywords.get("io_type", next(iter(decorator.args), None))
            if decorator.path in NODE_DECORATORS:
                value = Made(decorator, (value,), {}, scope.module.file, node.lineno)
        elif isinstance(decorator, Function | Bound | Class | Instance | Native):
            result = run.call(decorator, (value,), {}, scope, expression)
            value = _changed(value, result, scope, node)
    return value


def _changed(value: Value, result: Value, scope: Scope, node: ast.stmt) -> Value:
    """What one of the pack's own decorators makes of a value; a node record may have other inputs afterwards."""
    if isinstance(result, Function | Class | Instance):
        return result
    if isinstance(value, Made) and result is not value:
        return Made(External(CHANGED), (value,), {}, scope.module.file, node.lineno)
    return value


def instantiate(run: Interpreter, cls: Class, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    """An object of the class, after its ``__init__``."""
    if is_mapping(cls):
        return _mapping(run, cls, args, keywords)
    if isinstance(maker := next((base for base in cls.line() if isinstance(base, Native)), None), Native):
        return maker.call(args, keywords)
    if cls.is_from("NamedTuple"):
        named = tuple(cls.names.get("\0fields", ()))
        return record(named, {name: cls.names[name] for name in named if name in cls.names}, args, keywords)
    made = Instance(cls)
    start = cls.lookup("__init__")
    if isinstance(start, Function):
        run.invoke(start, (made, *args), keywords)
    elif str in cls.line() and args:
        made.names["\0text"] = args[0]
    elif fields := cls.names.get("\0fields"):
        made.names.update(zip(fields, args, strict=False))
        made.names.update(keywords)
    return made


def is_mapping(cls: Class) -> bool:
    """Whether its objects are dicts."""
    return dict in cls.line() or any(map(cls.is_from, ("OrderedDict", "UserDict", "defaultdict")))


def _mapping(run: Interpreter, cls: Class, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Dict:
    made = Dict()
    made.of = cls
    made.attributes["data"] = made
    if isinstance(start := cls.lookup("__init__"), Function):
        run.invoke(start, (made, *args), keywords)
    else:
        for more in args[-1:]:
            merge_into(run, made, more, run.here.scope, run.here.node)
        made.update(keywords)
    return made


def bind_arguments(function: Function, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Dict:
    """The names of a function's parameters with what they are worth in a call."""
    spec = function.node.args
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
    bound = Dict({parameter: Unknown(f"the argument {parameter!r} is not known") for parameter in names})
    bound.update({item.arg: Unknown(f"the argument {item.arg!r} is not known") for item in spec.kwonlyargs})
    bound.update(function.defaults)
    bound.update(zip(names, args, strict=False))
    more = [keywords[MORE]] if MORE in keywords else []
    if spec.vararg:
        bound[spec.vararg.arg] = List(args[len(names) :], more)
    known = {*names, *(item.arg for item in spec.kwonlyargs)}
    bound.update({name: value for name, value in keywords.items() if name in known})
    if spec.kwarg:
        bound[spec.kwarg.arg] = Dict({name: value for name, value in keywords.items() if name not in {*known, MORE}})
        bound[spec.kwarg.arg].holes.extend(more)
    return bound
