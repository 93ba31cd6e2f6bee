"""Lists of choices in the newer of the two spellings that front ends know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sdk import Input, NodeType, Validation


def typed_choices(*, multiselect: bool | None = None) -> Callable[[NodeType], NodeType]:
    """A decorator over ``@node``: its fixed lists are declared as ``["COMBO", {"options": […]}]``.

    Saved nodes of that kind are declared so. The engine leaves the check of such values to the node, which refuses
    those that are not listed. ``multiselect`` is said only where it is given.
    """
    said = {} if multiselect is None else {"multiselect": multiselect}

    def typed(item: Input) -> Input:
        if not isinstance(item.choices, tuple):
            return item
        return replace(item, typed_combo=True, options={**(item.options or {}), **said, "options": list(item.choices)})

    def changed(node: NodeType) -> NodeType:
        listed = {item.name: item.choices for item in node.inputs if isinstance(item.choices, tuple)}
        checked = node.validation or _among(listed)
        return replace(node, inputs=tuple(typed(item) for item in node.inputs), validation=checked)

    return changed


def typed_sources(*, multiselect: bool | None = None) -> Callable[[NodeType], NodeType]:
    """The same for lists that the host fills in, of files for instance; the node checks their values itself."""
    said = {} if multiselect is None else {"multiselect": multiselect}

    def typed(item: Input) -> Input:
        if not isinstance(item.choices, str):
            return item
        return replace(item, typed_combo=True, options={**(item.options or {}), **said})

    return lambda node: replace(node, inputs=tuple(typed(item) for item in node.inputs))


def _among(listed: Mapping[str, tuple[Any, ...]]) -> Validation:
    """A check that values are among the choices; linked ones are not known before they are there."""

    def check(**values: Any) -> bool | str:
        for name, value in values.items():
            if value is not None and value not in listed[name]:
                return f"{name} is {value!r}, which is none of {', '.join(map(repr, listed[name]))}"
        return True

    return Validation(check=check, names=frozenset(listed))
