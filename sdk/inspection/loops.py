"""What a loop goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdk.inspection import attributes
from sdk.inspection.values import Class, Dict, List, Unknown, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

MAX_ROUNDS = 20_000


def iterate(run: Interpreter, value: Value) -> List:
    """The items a loop over the value sees; a hole where they are not known."""
    if isinstance(value, str | tuple | range):
        return List(value if len(value) <= MAX_ROUNDS else (), [] if len(value) <= MAX_ROUNDS else [_too_many()])
    if isinstance(value, List):
        return List(list(value), list(value.holes))
    if isinstance(value, Dict):
        return List(list(value), list(value.holes))
    if isinstance(value, Class) and attributes.is_enum(value):
        return List(attributes.attribute(run, value, name) for name in attributes.enum_names(value))
    if isinstance(value, Unknown):
        return List((), [value])
    return List((), [Unknown("what the loop goes through is known only when the code runs")])


def _too_many() -> Unknown:
    return Unknown(f"the loop has more than {MAX_ROUNDS} rounds")
