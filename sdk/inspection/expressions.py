"""What an expression is worth."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sdk.inspection import attributes, builtin_functions
from sdk.inspection.dicts import merge_into, set_item
from sdk.inspection.enums import is_enum
from sdk.inspection.operators import combine, compared
from sdk.inspection.values import (
    MORE,
    Bound,
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    List,
    Made,
    Scope,
    Subscripted,
    Unknown,
    Value,
    either,
    is_known,
    truth,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def evaluate(run: Interpreter, scope: Scope, node: ast.expr) -> Value:
    """The value of an expression; raises CannotKnow where it has none that can be known."""
    evaluator = _EVALUATORS.get(type(node))
    if evaluator is None:
        raise CannotKnow(f"{type(node).__name__} is worked out only when the code runs")
    return evaluator(run, scope, node)


def _constant(run: Interpreter, scope: Scope, node: ast.Constant) -> Value:
    return node.value


def _name(run: Interpreter, scope: Scope, node: ast.Name) -> Value:
    return run.lookup(scope, node.id)


def _attribute(run: Interpreter, scope: Scope, node: ast.Attribute) -> Value:
    return attributes.attribute(run, run.evaluate(scope, node.value), node.attr)


def _items(run: Interpreter, scope: Scope, nodes: list[ast.expr]) -> List:
    """The items of a display, starred ones spread out."""
    found = List()
    for node in nodes:
        if not isinstance(node, ast.Starred):
            found.append(run.evaluate(scope, node))
            continue
        spread = run.iterate(run.evaluate(scope, node.value))
        found.extend(spread)
        found.holes.extend(spread.holes)
    return found


def _list(run: Interpreter, scope: Scope, node: ast.List | ast.Set) -> Value:
    return _items(run, scope, node.elts)


def _tuple(run: Interpreter, scope: Scope, node: ast.Tuple) -> Value:
    items = _items(run, scope, node.elts)
    return items if items.holes else tuple(items)


def _dict(run: Interpreter, scope: Scope, node: ast.Dict) -> Value:
    made = Dict()
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            merge_into(run, made, run.evaluate(scope, value), scope, value)
        else:
            set_item(made, run.evaluate(scope, key), run.evaluate(scope, value))
    return made


def _binary(run: Interpreter, scope: Scope, node: ast.BinOp) -> Value:
    return combine(node.op, run.evaluate(scope, node.left), run.evaluate(scope, node.right))


def _unary(run: Interpreter, scope: Scope, node: ast.UnaryOp) -> Value:
    value = run.evaluate(scope, node.operand)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        if known is None:
            raise CannotKnow("the condition is not known")
        return not known
    if isinstance(value, int | float) and isinstance(node.op, ast.USub | ast.UAdd):
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(value, int) and isinstance(node.op, ast.Invert):
        return ~value
    raise CannotKnow("the operation is worked out only when the code runs")


def _boolean(run: Interpreter, scope: Scope, node: ast.BoolOp) -> Value:
    is_and = isinstance(node.op, ast.And)
    unknown: Unknown | None = None
    value: Value = None
    for part in node.values:
        value = run.evaluate(scope, part)
        known = truth(value)
        if known is None:
            unknown = unknown or run.as_unknown(value, scope, part)
        elif known is not is_and:
            return value if unknown is None or not is_and else False
    if unknown is not None:
        return unknown
    return value


def _compare(run: Interpreter, scope: Scope, node: ast.Compare) -> Value:
    left = run.evaluate(scope, node.left)
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = run.evaluate(scope, comparator)
        if not compared(op, left, right):
            return False
        left = right
    return True


def _conditional(run: Interpreter, scope: Scope, node: ast.IfExp) -> Value:
    known = truth(run.evaluate(scope, node.test))
    if known is not None:
        return run.evaluate(scope, node.body if known else node.orelse)
    return either(run.evaluate(scope, node.body), run.evaluate(scope, node.orelse))


def _joined(run: Interpreter, scope: Scope, node: ast.JoinedStr) -> Value:
    parts = []
    for part in node.values:
        value = run.evaluate(scope, part.value if isinstance(part, ast.FormattedValue) else part)
        value = builtin_functions.shown(run, value)
        if isinstance(value, Unknown):
            raise CannotKnow(value.reason)
        if not isinstance(value, str | int | float | bool | None):
            raise CannotKnow("a part of the text is known only when the code runs")
        parts.append(_formatted(part, value) if isinstance(part, ast.FormattedValue) else str(value))
    return "".join(parts)


def _formatted(part: ast.FormattedValue, value: Value) -> str:
    spec = part.format_spec.values if isinstance(part.format_spec, ast.JoinedStr) else []
    texts = [str(item.value) for item in spec if isinstance(item, ast.Constant)]
    if len(texts) < len(spec) or sum(map(len, texts)) > 4 or part.conversion not in (-1, 115):
        raise CannotKnow("a part of the text is formatted only when the code runs")
    try:
        return format(str(value) if part.conversion == 115 else value, "".join(texts))
    except (TypeError, ValueError) as error:
        raise CannotKnow(f"a part of the text can't be formatted ({error})") from error


def _subscript(run: Interpreter, scope: Scope, node: ast.Subscript) -> Value:
    value = run.evaluate(scope, node.value)
    if isinstance(node.slice, ast.Slice):
        return _sliced(run, scope, value, node.slice)
    return subscripted(run, value, run.evaluate(scope, node.slice))


def subscripted(run: Interpreter, value: Value, key: Value) -> Value:
    """``value[key]``."""
    if isinstance(value, External) and value.path == "sys.modules" and (own := run.imports.named(key)):
        return own
    if isinstance(value, External | Subscripted | Made) or value in (list, tuple, dict, set, type):
        return Subscripted(value, key if isinstance(key, tuple) else (key,))
    if isinstance(value, Unknown):
        raise CannotKnow(value.reason)
    if isinstance(value, Class):
        if is_enum(value) and isinstance(key, str):
            return attributes.attribute(run, value, key)
        return value
    if not is_known(key) and not isinstance(key, Class | Function):
        raise CannotKnow("the key is known only when the code runs")
    if isinstance(value, Dict | List) and value.holes and (isinstance(value, List) or key not in value):
        raise CannotKnow(value.holes[0].reason)
    try:
        return value[key]
    except (KeyError, IndexError) as error:
        run.refuse(f"there is no item {key!r:.60}", type(error).__name__)
    except TypeError as error:
        raise CannotKnow(f"there is no item {key!r:.60}") from error


def _sliced(run: Interpreter, scope: Scope, value: Value, node: ast.Slice) -> Value:
    bounds = [None if part is None else run.evaluate(scope, part) for part in (node.lower, node.upper, node.step)]
    if not isinstance(value, str | bytes | tuple | List) or not all(isinstance(b, int | None) for b in bounds):
        raise CannotKnow("the part is known only when the code runs")
    try:
        result = value[slice(*bounds)]
    except ValueError as error:
        raise CannotKnow(str(error)) from error
    return List(result, getattr(value, "holes", ())) if isinstance(value, List) else result


def _call(run: Interpreter, scope: Scope, node: ast.Call) -> Value:
    callee = run.evaluate(scope, node.func)
    args = _items(run, scope, node.args)
    keywords: dict[str, Value] = {}
    more = [run.as_unknown(hole, scope, node) for hole in args.holes]
    for keyword in node.keywords:
        value = run.evaluate(scope, keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Dict) and all(isinstance(key, str) for key in value):
            keywords.update(value)
            more += value.holes
        else:
            more.append(run.as_unknown(value, scope, keyword.value))
    if more and not isinstance(callee, Class | Function | Bound):
        args.append(more[0])  # what is given besides
    elif more:
        keywords[MORE] = more[0]
    return run.call(callee, tuple(args), keywords, scope, node)


def _lambda(run: Interpreter, scope: Scope, node: ast.Lambda) -> Value:
    return Function(node=node, scope=scope, defaults=run.defaults(scope, node.args), binding="staticmethod")


def _walrus(run: Interpreter, scope: Scope, node: ast.NamedExpr) -> Value:
    value = run.evaluate(scope, node.value)
    scope.names[node.target.id] = value
    return value


def _await(run: Interpreter, scope: Scope, node: ast.Await) -> Value:
    return run.evaluate(scope, node.value)


def _yield(run: Interpreter, scope: Scope, node: ast.Yield | ast.YieldFrom) -> Value:
    value = None if node.value is None else run.evaluate(scope, node.value)
    place: Scope | None = scope
    while place is not None and "\0yields" not in place.names:
        place = place.parent
    given = place.names["\0yields"] if place is not None else None
    if isinstance(given, List):
        items = run.iterate(value) if isinstance(node, ast.YieldFrom) else List([value])
        given.extend(items)
        given.holes.extend(items.holes)
    return None


def _list_comprehension(run: Interpreter, scope: Scope, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
    made = List()
    for inner, hole in comprehended(run, scope, node.generators):
        if hole is None:
            made.append(run.evaluate(inner, node.elt))
        else:
            made.holes.append(hole)
    return made


def _dict_comprehension(run: Interpreter, scope: Scope, node: ast.DictComp) -> Value:
    made = Dict()
    for inner, hole in comprehended(run, scope, node.generators):
        if hole is None:
            set_item(made, run.evaluate(inner, node.key), run.evaluate(inner, node.value))
        else:
            made.holes.append(hole)
    return made


def comprehended(
    run: Interpreter, scope: Scope, generators: list[ast.comprehension]
) -> Iterator[tuple[Scope, Unknown | None]]:
    """A scope for each round of a comprehension, or a hole where the rounds are not known."""
    first, *others = generators
    items = run.iterate(run.evaluate(scope, first.iter))
    for item in items:
        inner = Scope(module=scope.module, names=Dict(), parent=scope)
        run.assign(inner, first.target, item)
        wanted = [truth(run.evaluate(inner, condition)) for condition in first.ifs]
        if False in wanted:
            continue
        if None in wanted:
            yield inner, Unknown("the filter is known only when the code runs", scope.module.file, first.iter.lineno)
        elif others:
            yield from comprehended(run, inner, others)
        else:
            yield inner, None
    for hole in items.holes:
        yield scope, run.as_unknown(hole, scope, first.iter)


_EVALUATORS: Mapping[type[ast.expr], Callable[[Interpreter, Scope, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.List: _list,
    ast.Set: _list,
    ast.Tuple: _tuple,
    ast.Dict: _dict,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.JoinedStr: _joined,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.ListComp: _list_comprehension,
    ast.SetComp: _list_comprehension,
    ast.GeneratorExp: _list_comprehension,
    ast.DictComp: _dict_comprehension,
}
