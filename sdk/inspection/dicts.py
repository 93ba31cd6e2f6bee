"""Filling dicts, where keys or whole parts may be unknown."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sdk.inspection.enums import as_text
from sdk.inspection.values import Dict, External, List, Made, Scope, Subscripted, Unknown, Value, is_known

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def merge_into(run: Interpreter, target: Dict, more: Value, scope: Scope, node: ast.AST) -> None:
    """``target.update(more)``; what is not known leaves a hole."""
    if isinstance(more, Dict):
        target.update(more)
        target.holes.extend(hole for hole in more.holes if hole not in target.holes)
    elif isinstance(more, List | tuple) and all(isinstance(item, tuple) and len(item) == 2 for item in more):
        for key, value in more:
            set_item(target, key, value)
        target.holes.extend(getattr(more, "holes", ()))
    elif more is not None:
        target.holes.append(run.as_unknown(more, scope, node))


def set_item(target: Dict, key: Value, value: Value) -> None:
    """``target[key] = value``; a key that is not known leaves a hole."""
    key = as_text(key)
    if isinstance(key, Unknown):
        target.holes.append(key)
    elif isinstance(key, Made | External | Subscripted):
        target.holes.append(Unknown("the key comes from outside the pack"))
    elif is_known(key) and not isinstance(key, List | Dict):
        target[key] = value
    elif isinstance(key, tuple):
        target.holes.append(Unknown("the key is not known"))
    else:
        target[key] = value
