"""``functools``, ``itertools`` and ``operator``, as far as they put mappings of nodes together."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdk.inspection.operators import combine
from sdk.inspection.values import Arguments, CannotKnow, Dict, Keywords, List, Native, Record, Value, is_known

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_MAX_PRODUCT = 5_000
_MAX_COUNTED = 1_000


def _partial(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    function, *given = args

    def call(more: Arguments, named: Keywords) -> Value:
        return run.call_here(function, (*given, *more), {**keywords, **named})

    return Native("partial", call)


def _reduce(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    items = run.iterate(args[1])
    values = [*args[2:3], *items]
    if items.holes or not values:
        raise CannotKnow("what is put together is known only when the code runs")
    result = values[0]
    for value in values[1:]:
        result = run.call_here(args[0], (result, value))
    return result


def _operator(op: ast.operator) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    return lambda run, args, keywords: combine(op, args[0], args[1])


def _chain(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    parts = [run.iterate(each) for each in args]
    return List([item for part in parts for item in part], [hole for part in parts for hole in part.holes])


def _chain_from_iterable(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    parts = run.iterate(args[0])
    made = _chain(run, tuple(parts), keywords)
    made.holes.extend(parts.holes)
    return made


def _product(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    columns = [run.iterate(each) for each in args]
    size = 1
    for column in columns:
        size *= len(column)
    if keywords or size > _MAX_PRODUCT:
        raise CannotKnow("the combinations are known only when the code runs")
    return List(itertools.product(*columns), [hole for column in columns for hole in column.holes])


def _count(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """The first numbers; whoever goes through them stops long before their end."""
    start, step = (*args, 0, 1)[:2] if len(args) != 1 else (args[0], 1)
    if not isinstance(start, int) or not isinstance(step, int):
        raise CannotKnow("the numbers are known only when the code runs")
    return List(itertools.islice(itertools.count(start, step), _MAX_COUNTED))


def _run_coroutine(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """``asyncio.run``: a coroutine's result stands for it here already."""
    return args[0]


def executor_map(run: Interpreter, args: Arguments) -> Value:
    """``map`` of a pool of threads or processes."""
    return _starmap(run, (args[0], List(zip(*(run.iterate(each) for each in args[1:]), strict=False))), {})


def _starmap(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    rows = run.iterate(args[1])
    return List((run.call_here(args[0], tuple(run.iterate(row))) for row in rows), rows.holes)


def _namedtuple(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    listed = args[1].replace(",", " ").split() if isinstance(args[1], str) else args[1]
    if not is_known(listed) or not all(isinstance(name, str) for name in listed):
        raise CannotKnow("the fields are known only when the code runs")
    defaults = run.iterate(keywords["defaults"]) if keywords.get("defaults") is not None else List()
    fields = tuple(listed)
    preset = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=False))
    return Native("namedtuple", lambda given, named: record(fields, preset, given, named))


def record(fields: tuple[str, ...], preset: Keywords, given: Arguments, named: Keywords) -> Record:
    """A named tuple.

    Raises:
        CannotKnow: a field is left out.
    """
    values = Dict({**preset, **dict(zip(fields, given, strict=False)), **named})
    if missing := [name for name in fields if name not in values]:
        raise CannotKnow(f"the field {missing[0]!r} is not given")
    return Record(fields, (values[name] for name in fields))


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    **dict.fromkeys(("functools.partial", "functools.partialmethod"), _partial),
    "functools.reduce": _reduce,
    **dict.fromkeys(("operator.or_", "operator.ior"), _operator(ast.BitOr())),
    **dict.fromkeys(("operator.add", "operator.iadd", "operator.concat"), _operator(ast.Add())),
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_from_iterable,
    "itertools.product": _product,
    "itertools.starmap": _starmap,
    "itertools.count": _count,
    "asyncio.run": _run_coroutine,
    "collections.namedtuple": _namedtuple,
}
