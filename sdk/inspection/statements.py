"""What running statements does to names, without running them.

A branch whose condition is not known is run too, as one that may have been taken: what it adds to dicts and lists
counts, what it returns is one of several results.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sdk.inspection import classes
from sdk.inspection.dicts import merge_into
from sdk.inspection.leaving import Leaving, LoopLeft, Raised, Return, RoundLeft
from sdk.inspection.operators import combine
from sdk.inspection.values import (
    CannotKnow,
    Dict,
    List,
    Made,
    Scope,
    Unknown,
    Value,
    either,
    truth,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_NAMES = (ast.Name, ast.Attribute)
_MAX_ROUNDS = 1_000
_ENDLESS_ROUNDS = 3  # of ``while True``, whose end may be in a branch that is not known to be taken


@dataclass(eq=False)
class Frame:
    """A function or module being run: ``results`` are what its returns gave, ``depth`` counts unknown branches."""

    results: list[Value] = field(default_factory=list)
    depth: int = 0


def execute(run: Interpreter, scope: Scope, frame: Frame, body: Iterable[ast.stmt]) -> None:
    """Run statements one after the other."""
    for statement in body:
        run.budget.spend()
        handler = _HANDLERS.get(type(statement))
        try:
            if handler is not None:
                handler(run, scope, frame, statement)
        except CannotKnow as error:
            run.note(scope.module.file, statement.lineno, str(error))


def _maybe(run: Interpreter, scope: Scope, frame: Frame, body: list[ast.stmt]) -> Dict:
    """Run a branch that may not be taken; gives the names as they would be after it, and leaves them as they were."""
    before = dict(scope.names)
    frame.depth += 1
    try:
        execute(run, scope, frame, body)
    except Leaving:
        pass
    finally:
        frame.depth -= 1
    after = Dict(scope.names)
    scope.names.clear()
    scope.names.update(before)
    return after


def _merge(scope: Scope, branches: Iterable[Dict]) -> None:
    for names in branches:
        for name, value in names.items():
            scope.names[name] = either(value, scope.names.get(name)) if value is not scope.names.get(name) else value


def _if(run: Interpreter, scope: Scope, frame: Frame, node: ast.If) -> None:
    known = truth(run.evaluate(scope, node.test))
    if known is not None:
        execute(run, scope, frame, node.body if known else node.orelse)
        return
    _merge(scope, [_maybe(run, scope, frame, node.body), _maybe(run, scope, frame, node.orelse)])


def _for(run: Interpreter, scope: Scope, frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    items = run.iterate(run.evaluate(scope, node.iter))
    for item in items:
        run.assign(scope, node.target, item)
        if _leaves(run, scope, frame, node.body):
            return
    for hole in items.holes:
        run.assign(scope, node.target, run.as_unknown(hole, scope, node.iter))
        _merge(scope, [_maybe(run, scope, frame, node.body)])
    execute(run, scope, frame, node.orelse)


def _leaves(run: Interpreter, scope: Scope, frame: Frame, body: list[ast.stmt]) -> bool:
    """One round of a loop; whether it left the loop."""
    try:
        execute(run, scope, frame, body)
    except LoopLeft:
        return True
    except RoundLeft:
        pass
    return False


def _while(run: Interpreter, scope: Scope, frame: Frame, node: ast.While) -> None:
    rounds = _ENDLESS_ROUNDS if isinstance(node.test, ast.Constant) else _MAX_ROUNDS
    for _ in range(rounds):
        known = truth(run.evaluate(scope, node.test))
        if known is None:
            _merge(scope, [_maybe(run, scope, frame, node.body)])
        if not known:
            return
        if _leaves(run, scope, frame, node.body):
            return


def _try(run: Interpreter, scope: Scope, frame: Frame, node: ast.Try) -> None:
    try:
        if _falls_back(run, scope, node):
            raise Raised("a library has the name that the pack's own module has", "ImportError")
        with run.guarded(run.guards + bool(node.handlers)):
            execute(run, scope, frame, node.body)
    except Raised as error:
        handler = next((each for each in node.handlers if error.is_caught_by(_caught(each.type))), None)
        if handler is None:
            raise
        if handler.name:
            scope.names[handler.name] = Unknown("an error", scope.module.file, handler.lineno)
        execute(run, scope, frame, handler.body)
    else:
        execute(run, scope, frame, node.orelse)
    finally:
        execute(run, scope, frame, node.finalbody)


def _caught(named: ast.expr | None) -> list[str]:
    """The last parts of the names of the classes in an ``except``."""
    parts = named.elts if isinstance(named, ast.Tuple) else [named]
    return [part.id if isinstance(part, ast.Name) else part.attr for part in parts if isinstance(part, _NAMES)]


def _falls_back(run: Interpreter, scope: Scope, node: ast.Try) -> bool:
    """Whether the block imports from a library what its handler imports from the pack.

    Packs import themselves by whatever name they may have, and relatively when that fails.
    """
    tried = {alias.name for item in node.body for alias in _imported(run, scope, item, outside=True)}
    own = {alias.name for each in node.handlers for item in each.body for alias in _imported(run, scope, item)}
    return bool(tried & own)


def _imported(run: Interpreter, scope: Scope, item: ast.stmt, *, outside: bool = False) -> list[ast.alias]:
    if not isinstance(item, ast.ImportFrom) or (outside and item.level):
        return []
    return item.names if run.imports.is_outside(scope.module, item.module or "", item.level) is outside else []


def _with(run: Interpreter, scope: Scope, frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    suppressed: list[str] | None = None
    for item in node.items:
        value = run.evaluate(scope, item.context_expr)
        if isinstance(value, Made) and value.path == "contextlib.suppress":
            suppressed = [getattr(given, "path", "").rpartition(".")[2] for given in value.args]
        if item.optional_vars is not None:
            run.assign(scope, item.optional_vars, value)
    try:
        with run.guarded(run.guards + (suppressed is not None)):
            execute(run, scope, frame, node.body)
    except Raised as error:
        if suppressed is None or not error.is_caught_by(suppressed):
            raise


def _match(run: Interpreter, scope: Scope, frame: Frame, node: ast.Match) -> None:
    run.evaluate(scope, node.subject)
    _merge(scope, [_maybe(run, scope, frame, case.body) for case in node.cases])


def _expression(run: Interpreter, scope: Scope, frame: Frame, node: ast.Expr) -> None:
    run.evaluate(scope, node.value)


def _assign(run: Interpreter, scope: Scope, frame: Frame, node: ast.Assign) -> None:
    value = run.evaluate(scope, node.value)
    for target in node.targets:
        run.assign(scope, target, value)


def _annotated(run: Interpreter, scope: Scope, frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        run.assign(scope, node.target, run.evaluate(scope, node.value))
    elif isinstance(node.target, ast.Name):
        scope.names.setdefault("__annotations__", Dict())
    if isinstance(node.target, ast.Name):
        fields = scope.names.setdefault("\0fields", Dict())
        fields[node.target.id] = node.annotation


def _augmented(run: Interpreter, scope: Scope, frame: Frame, node: ast.AugAssign) -> None:
    target = run.evaluate(scope, _loaded(node.target))
    more = run.evaluate(scope, node.value)
    if isinstance(target, Dict) and isinstance(node.op, ast.BitOr):
        merge_into(run, target, more, scope, node.value)
    elif isinstance(target, List) and isinstance(node.op, ast.Add | ast.BitOr):
        items = run.iterate(more)
        target.extend(items)
        target.holes.extend(items.holes)
    else:
        try:
            value = combine(node.op, target, more)
        except CannotKnow as error:
            value = Unknown(str(error), scope.module.file, node.lineno)
        run.assign(scope, node.target, value)


def _loaded(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.copy_location(ast.Name(name, ast.Load()), target)
        case ast.Attribute(value=value, attr=attr):
            return ast.copy_location(ast.Attribute(value, attr, ast.Load()), target)
        case ast.Subscript(value=value, slice=index):
            return ast.copy_location(ast.Subscript(value, index, ast.Load()), target)
    return target


def _delete(run: Interpreter, scope: Scope, frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            scope.names.pop(target.id, None)
        elif isinstance(target, ast.Subscript):
            holder, key = run.evaluate(scope, target.value), run.evaluate(scope, target.slice)
            if isinstance(holder, Dict) and isinstance(key, str) and not frame.depth:
                holder.pop(key, None)


def _function(run: Interpreter, scope: Scope, frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    scope.names[node.name] = classes.decorated(run, scope, node, classes.make_function(run, scope, node))


def _class(run: Interpreter, scope: Scope, frame: Frame, node: ast.ClassDef) -> None:
    made = classes.make_class(run, scope, node)
    scope.names[node.name] = made
    scope.names[node.name] = classes.decorated(run, scope, node, made)


def _return(run: Interpreter, scope: Scope, frame: Frame, node: ast.Return) -> None:
    frame.results.append(None if node.value is None else run.evaluate(scope, node.value))
    if not frame.depth:
        raise Return


def _raise(run: Interpreter, scope: Scope, frame: Frame, node: ast.Raise) -> None:
    named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    kind = named.id if isinstance(named, ast.Name) and hasattr(builtins, named.id) else ""
    raise Raised("an error is raised", kind)


def _break(run: Interpreter, scope: Scope, frame: Frame, node: ast.Break) -> None:
    raise LoopLeft


def _continue(run: Interpreter, scope: Scope, frame: Frame, node: ast.Continue) -> None:
    raise RoundLeft


def _global(run: Interpreter, scope: Scope, frame: Frame, node: ast.Global | ast.Nonlocal) -> None:
    scope.globals.update(node.names)


def _import(run: Interpreter, scope: Scope, frame: Frame, node: ast.Import) -> None:
    for alias in node.names:
        run.imports.bind_import(scope, alias)


def _import_from(run: Interpreter, scope: Scope, frame: Frame, node: ast.ImportFrom) -> None:
    run.imports.bind_from(scope, node)


@cache
def is_generator(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Whether a function gives its results one by one."""
    waiting: list[ast.AST] = [] if isinstance(function, ast.Lambda) else list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def result_of(frame: Frame) -> Value:
    """What a function gives: its one result, or what its possible results have in common."""
    results = [result for result in frame.results if result is not None] or [None]
    value = results[0]
    for other in results[1:]:
        value = either(value, other)
    return value


_HANDLERS: Mapping[type[ast.stmt], Callable[[Interpreter, Scope, Frame, Any], None]] = {
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Global: _global,
    ast.Nonlocal: _global,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
