"""Functions and classes of a pack: what defining one gives, and what calling one gives."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdk.inspection.values import Bound, Class, Dict, External, Function, Instance, List, Made, Scope, Unknown, Value

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
    made = Class(name=node.name, node=node, scope=scope, bases=bases, names=names)
    run.run_body(ClassScope(module=scope.module, names=names, parent=_visible(scope)), node.body)
    for name, value in list(names.items()):
        if isinstance(value, Function) and value.node in node.body:
            names[name] = dataclasses.replace(value, owner=made)
    for hook in made.line()[1:]:
        if isinstance(hook, Class) and isinstance(register := hook.names.get("__init_subclass__"), Function):
            run.invoke(register, (made,), {})
    return made


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
            if decorator.path in NODE_DECORATORS:
                value = Made(decorator, (value,), {}, scope.module.file, node.lineno)
        elif isinstance(decorator, Function | Bound | Class | Instance):
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


def bind_arguments(function: Function, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Dict:
    """The names of a function's parameters with what they are worth in a call."""
    spec = function.node.args
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
    bound = Dict({parameter: Unknown(f"the argument {parameter!r} is not known") for parameter in names})
    bound.update({item.arg: Unknown(f"the argument {item.arg!r} is not known") for item in spec.kwonlyargs})
    bound.update(function.defaults)
    bound.update(zip(names, args, strict=False))
    if spec.vararg:
        bound[spec.vararg.arg] = List(args[len(names) :])
    known = {*names, *(item.arg for item in spec.kwonlyargs)}
    bound.update({name: value for name, value in keywords.items() if name in known})
    if spec.kwarg:
        bound[spec.kwarg.arg] = Dict({name: value for name, value in keywords.items() if name not in known})
    return bound
