"""Operators between values: arithmetic, merging, comparing; results that would be huge are not worked out."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sdk.inspection.enums import as_text
from sdk.inspection.paths import join_path
from sdk.inspection.values import (
    CONSTANTS,
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    List,
    Made,
    Module,
    PathValue,
    Subscripted,
    Unknown,
    Value,
    is_known,
)

MAX_LENGTH = 1_000_000  # characters or items of one value
MAX_ITEMS = 50_000  # of two lists put together
_MAX_COMPARED = 4_000_000  # pairs of items of two sets
_MAX_BITS = 4096
_WIDE = re.compile(r"%[^A-Za-z%]*(?:\d{3}|\*)")  # widths that may be huge
_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_COMPARISONS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC_ERRORS = (TypeError, ValueError, ArithmeticError, MemoryError)


def combine(op: ast.operator, left: Value, right: Value) -> Value:
    """``left op right``.

    Raises:
        CannotKnow: only running the code tells, or the result would be huge.
    """
    left, right = as_text(left), as_text(right)
    if isinstance(op, ast.BitOr) and isinstance(left, Dict) and isinstance(right, Dict):
        both = Dict({**left, **right})
        both.holes = [*left.holes, *right.holes]
        return both
    if isinstance(left, List) and isinstance(right, List) and len(left) + len(right) > MAX_ITEMS:
        raise CannotKnow("the list is too long to be worked out here")
    if isinstance(op, ast.Add) and isinstance(left, List) and isinstance(right, List):
        return List([*left, *right], [*left.holes, *right.holes])
    if isinstance(op, ast.Add) and (isinstance(left, List) or isinstance(right, List)):
        return _with_more(left, right)
    if isinstance(op, ast.Sub | ast.BitAnd | ast.BitOr) and isinstance(left, List) and isinstance(right, List):
        return _of_sets(op, left, right)
    if isinstance(op, ast.Div) and isinstance(left, PathValue):
        return join_path(left, right)
    if isinstance(op, ast.BitOr) and not (is_known(left) and is_known(right)):
        return _union(left, right)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        raise CannotKnow((left if isinstance(left, Unknown) else right).reason)
    return _calculate(op, left, right)


def _with_more(left: Value, right: Value) -> Value:
    """A list with what the host or a library has at one end."""
    sides = [
        List((), [Unknown("a part of the list comes from outside the pack", source=side)])
        if isinstance(side, External | Made)
        else side
        for side in (left, right)
    ]
    if not all(isinstance(side, List) for side in sides):
        unknown = next((side for side in sides if isinstance(side, Unknown)), None)
        raise CannotKnow(unknown.reason if unknown else "the operation is worked out only when the code runs")
    return List([*sides[0], *sides[1]], [*sides[0].holes, *sides[1].holes])


def _of_sets(op: ast.operator, left: List, right: List) -> Value:
    """Of sets, which are lists here too; a hole on the right may hold anything."""
    if right.holes and not isinstance(op, ast.BitOr):
        raise CannotKnow(right.holes[0].reason)
    if isinstance(op, ast.BitOr):
        return List([*left, *right], [*left.holes, *right.holes])
    if len(left) * len(right) > _MAX_COMPARED:
        raise CannotKnow("the sets are too large to be compared here")
    wanted = isinstance(op, ast.BitAnd)
    return List([item for item in left if (item in right) is wanted], left.holes)


def _union(left: Value, right: Value) -> Value:
    """``X | None`` in an annotation."""
    for side in (left, right):
        if isinstance(side, Unknown):
            raise CannotKnow(side.reason)
    return Subscripted(External("typing.Union"), (left, right))


def _calculate(op: ast.operator, left: Value, right: Value) -> Value:
    function = _OPERATORS.get(type(op))
    plain = (int, float, str, bytes, tuple, List)
    if function is None or not isinstance(left, plain) or not isinstance(right, (*plain, Dict)):
        raise CannotKnow("the operation is worked out only when the code runs")
    _refuse_explosion(op, left, right)
    try:
        result = function(left, right)
    except _ARITHMETIC_ERRORS as error:
        raise CannotKnow(f"the operation fails ({error})") from error
    return List(result) if type(result) is list else result


def _refuse_explosion(op: ast.operator, left: Value, right: Value) -> None:
    sizes = [len(side) if isinstance(side, str | bytes | tuple | list) else 0 for side in (left, right)]
    too_large = sum(sizes) > MAX_LENGTH
    if isinstance(op, ast.Mult) and any(sizes):
        times = left if isinstance(left, int) else right
        too_large |= isinstance(times, int) and max(sizes) * times > MAX_LENGTH
    if isinstance(op, ast.Pow | ast.LShift) and isinstance(left, int) and isinstance(right, int):
        grown = left.bit_length() * right if isinstance(op, ast.Pow) else left.bit_length() + right
        too_large |= grown > _MAX_BITS or right < 0
    if isinstance(op, ast.Mult) and isinstance(left, int) and isinstance(right, int):
        too_large |= left.bit_length() + right.bit_length() > _MAX_BITS
    if isinstance(op, ast.Mod) and isinstance(left, str | bytes):
        too_large |= not is_known(right) or len(left) > MAX_LENGTH or _WIDE.search(str(left)) is not None
    if too_large:
        raise CannotKnow("the value is too large to be worked out here")


def compared(op: ast.cmpop, left: Value, right: Value) -> bool:
    """``left op right`` for a comparison.

    Raises:
        CannotKnow: only running the code tells.
    """
    if isinstance(op, ast.Is | ast.IsNot):
        return _is_same(left, right) is isinstance(op, ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        return _is_in(left, right) is isinstance(op, ast.In)
    if isinstance(op, ast.Eq | ast.NotEq) and isinstance(left, Class | Function | Module):
        return (left is right) is isinstance(op, ast.Eq)
    if isinstance(left, PathValue) and isinstance(right, PathValue):
        left, right = left.text, right.text
    if not (is_known(left) and is_known(right)):
        raise CannotKnow("the comparison is known only when the code runs")
    try:
        return bool(_COMPARISONS[type(op)](left, right))
    except _ARITHMETIC_ERRORS as error:
        raise CannotKnow(f"the comparison fails ({error})") from error


def _is_same(left: Value, right: Value) -> bool:
    if isinstance(left, Unknown | External | Made) or isinstance(right, Unknown | External | Made):
        raise CannotKnow("the comparison is known only when the code runs")
    return left is right or (isinstance(left, CONSTANTS) and isinstance(right, CONSTANTS) and left == right)


def _is_in(left: Value, right: Value) -> bool:
    if isinstance(right, str | bytes) and isinstance(left, str | bytes):
        return left in right  # type: ignore[operator]
    if isinstance(right, List | Dict | tuple) and not isinstance(left, Unknown | Made):
        found = left in right if isinstance(right, Dict) and is_known(left) else any(left == item for item in right)
        if found or not (getattr(right, "holes", ()) or any(isinstance(item, Unknown) for item in right)):
            return found
    raise CannotKnow("whether it holds that is known only when the code runs")
