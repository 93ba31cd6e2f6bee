"""What a loop goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdk.inspection import attributes
from sdk.inspection.enums import enum_names, is_enum
from sdk.inspection.values import Class, Dict, FileValue, List, Rounds, Unknown, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

MAX_ROUNDS = 20_000


def iterate(run: Interpreter, value: Value) -> List:
    """The items a loop over the value sees; a hole where they are not known."""
    run.budget.spend_for(value)
    if isinstance(value, str | tuple | range):
        return List(value if len(value) <= MAX_ROUNDS else (), [] if len(value) <= MAX_ROUNDS else [_too_many()])
    if isinstance(value, Rounds):
        return value
    if isinstance(value, List):
        return List(list(value), list(value.holes))
    if isinstance(value, Dict):
        return List(list(value), list(value.holes))
    if isinstance(value, Class) and is_enum(value):
        return List(attributes.attribute(run, value, name) for name in enum_names(value))
    if isinstance(value, FileValue):
        return iterate(run, tuple(value.text.splitlines(keepends=True)))
    if isinstance(value, Unknown):
        return List((), [value])
    return List((), [Unknown("what the loop goes through is known only when the code runs", source=value)])


def _too_many() -> Unknown:
    return Unknown(f"the loop has more than {MAX_ROUNDS} rounds")
