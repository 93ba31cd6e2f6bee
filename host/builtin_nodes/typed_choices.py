"""Lists of choices in the newer of the two spellings that front ends know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sdk import Input, NodeType


def typed_choices(*, multiselect: bool | None = None) -> Callable[[NodeType], NodeType]:
    """A decorator over ``@node``: its fixed lists are declared as ``["COMBO", {"options": […]}]``.

    Saved nodes of that kind are declared so. ``multiselect`` is said only where it is given.
    """
    said = {} if multiselect is None else {"multiselect": multiselect}

    def typed(item: Input) -> Input:
        if not isinstance(item.choices, tuple):
            return item
        return replace(item, typed_combo=True, options={**(item.options or {}), **said, "options": list(item.choices)})

    return lambda node: replace(node, inputs=tuple(typed(item) for item in node.inputs))
