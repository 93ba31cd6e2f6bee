"""Wraps the functions a pack defines beside the node's work: its check, its fingerprint, its wish for lazy inputs.

All are called with keyword arguments. Where the engine can't wait for them, asynchronous ones are waited for here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from host.comfyui.handles import to_packs
from host.comfyui.results import finish
from sdk.nodes import Blocker, Validation

INPUT_TYPES_ARGUMENT = "input_types"


def validation(function: Callable[..., Any], known: Iterable[str], *, all_is_known: bool = False) -> Validation:
    """The check a pack's function makes, limited to the inputs it names.

    Args:
        function: already bound.
        known: names the node has for its inputs.
        all_is_known: a function that takes any name is asked for ``known`` only.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(item.kind is item.VAR_KEYWORD for item in parameters)
    named = {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
    names = (None, frozenset(known))[all_is_known] if takes_all else frozenset(named & set(known))

    def check(**values: Any) -> bool | str:
        answer = finish(function(**values))
        if isinstance(answer, bool | str):
            return answer
        # A blocker counts as consent, None as refusal, anything else as the reason of one.
        return isinstance(answer, Blocker) if answer is None or isinstance(answer, Blocker) else str(answer)

    return Validation(check=check, names=names, wants_types=INPUT_TYPES_ARGUMENT in named)


def fingerprint(function: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    """The value a pack's function gives for a node's inputs; raises what it raises, which makes the node run again."""
    return lambda inputs: finish(function(**to_packs(inputs)))


def wanted_inputs(answer: Any) -> list[str] | Awaitable[list[str]]:
    """The names in what ``check_lazy_status`` gave; anything but a list of names asks for nothing."""
    if inspect.isawaitable(answer):
        return _wanted_later(answer)
    return _names(answer)


async def _wanted_later(answer: Awaitable[Any]) -> list[str]:
    return _names(await answer)


def _names(answer: Any) -> list[str]:
    return [name for name in answer if isinstance(name, str)] if isinstance(answer, list | tuple | set) else []
