"""What binding a value does: to a name, an attribute, an item, or several of them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sdk.inspection.dicts import set_item
from sdk.inspection.values import Class, Dict, Function, Instance, List, Made, Module, Scope, Unknown, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def assign(run: Interpreter, scope: Scope, target: ast.expr, value: Value) -> None:
    """Bind a value to a name, an attribute, an item, or several of them."""
    match target:
        case ast.Name(id=name):
            _bind(scope, name, value)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            _unpack(run, scope, targets, value)
        case ast.Subscript():
            _set_item(run, scope, target, value)
        case ast.Attribute():
            _set_attribute(run.evaluate(scope, target.value), target.attr, value)


def _set_attribute(holder: Value, name: str, value: Value) -> None:
    match holder:
        case Class() | Instance() | Module():
            holder.names[name] = value
        case Made():
            holder.keywords[name] = value
        case Dict():
            holder.attributes[name] = value


def _set_item(run: Interpreter, scope: Scope, target: ast.Subscript, value: Value) -> None:
    holder = run.evaluate(scope, target.value)
    if isinstance(target.slice, ast.Slice):
        if isinstance(holder, List) and not (target.slice.lower or target.slice.upper or target.slice.step):
            items = run.iterate(value)
            holder[:], holder.holes = items, items.holes
        return
    key = run.evaluate(scope, target.slice)
    if isinstance(holder, Dict) and isinstance(method := _setter(holder), Function):
        run.invoke(method, (holder, key, value), {})
    elif isinstance(holder, Dict):
        set_item(holder, run.as_unknown(key, scope, target) if isinstance(key, Unknown) else key, value)
    elif isinstance(holder, List) and isinstance(key, int) and -len(holder) <= key < len(holder):
        holder[key] = value


def _setter(holder: Dict) -> Value:
    return holder.of.lookup("__setitem__") if holder.of is not None else None


def _bind(scope: Scope, name: str, value: Value) -> None:
    if name in scope.globals:
        outer = scope.parent
        while outer is not None and outer.parent is not None and name not in outer.names:
            outer = outer.parent
        (outer or scope).names[name] = value
    else:
        scope.names[name] = value


def _unpack(run: Interpreter, scope: Scope, targets: list[ast.expr], value: Value) -> None:
    if not isinstance(value, tuple | Unknown):
        value = run.iterate(value)
    starred = [place for place, target in enumerate(targets) if isinstance(target, ast.Starred)]
    if starred and not getattr(value, "holes", ()) and isinstance(value, tuple | List):
        place, after = starred[0], len(targets) - starred[0] - 1
        if len(value) >= place + after:
            end = len(value) - after
            value = (*value[:place], List(value[place:end]), *value[end:])
            targets = [target.value if isinstance(target, ast.Starred) else target for target in targets]
    plain = isinstance(value, tuple | List) and not getattr(value, "holes", ())
    if plain and len(value) == len(targets):
        for target, item in zip(targets, value, strict=True):
            assign(run, scope, target, item)
        return
    if holes := getattr(value, "holes", ()):
        value = holes[0]
    unknown = value if isinstance(value, Unknown) else Unknown("its parts are known only when the code runs")
    for target in targets:
        inner = target.value if isinstance(target, ast.Starred) else target
        assign(run, scope, inner, unknown)
