"""Calls the functions a pack defines beside the node's work: checks, fingerprints, requests for lazy inputs."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from host.comfyui.results import finish
from sdk.nodes import Validation

logger = logging.getLogger(__name__)

INPUT_TYPES_ARGUMENT = "input_types"


def validation(function: Callable[..., Any], *, as_lists: bool, known: Iterable[str]) -> Validation:
    """The check a pack's function makes, with the inputs it names.

    Args:
        function: already bound; an awaitable result is waited for.
        as_lists: the node works on whole lists, so that its check gets lists too.
        known: names of the node's inputs, to which the check's are limited.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(item.kind is item.VAR_KEYWORD for item in parameters)
    named = {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}

    def check(**values: Any) -> bool | str:
        types = {INPUT_TYPES_ARGUMENT: values.pop(INPUT_TYPES_ARGUMENT)} if INPUT_TYPES_ARGUMENT in values else {}
        answer = finish(function(**_listed(values, as_lists), **types))
        return answer if isinstance(answer, bool | str) else _as_answer(answer)

    return Validation(
        check=check,
        names=None if takes_all else frozenset(named & set(known)),
        wants_types=INPUT_TYPES_ARGUMENT in named,
    )


def _as_answer(answer: Any) -> bool | str:
    """Anything but True is a refusal, and its text the reason."""
    return False if answer is None else str(answer)


def fingerprint(function: Callable[..., Any], *, as_lists: bool, where: str) -> Callable[[dict[str, Any]], Any]:
    """A node's fingerprint; NaN, which means "run again", where the pack's function raises.

    Inputs that the function needs but that are not given are linked ones: their values are None at this time.
    """
    parameters = inspect.signature(function).parameters.values()
    needed = [
        item.name
        for item in parameters
        if item.default is item.empty and item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)
    ]

    def ask(inputs: dict[str, Any]) -> Any:
        unknown = {name: None for name in needed if name not in inputs}
        try:
            return finish(function(**_listed({**unknown, **inputs}, as_lists)))
        except Exception as error:  # noqa: BLE001  (a pack's own code: the node then always runs, as packs expect)
            logger.warning("%s can't say whether its inputs changed, so it runs again: %s", where, error)
            return float("nan")

    return ask


def wanted_inputs(answer: Any) -> list[str] | Awaitable[list[str]]:
    """The names in what ``check_lazy_status`` gave; anything but a list of names asks for nothing."""
    if inspect.isawaitable(answer):
        return _wanted_later(answer)
    return [name for name in answer if isinstance(name, str)] if isinstance(answer, list | tuple | set) else []


async def _wanted_later(answer: Awaitable[Any]) -> list[str]:
    names = wanted_inputs(await answer)
    return names if isinstance(names, list) else await names


def _listed(values: Mapping[str, Any], as_lists: bool) -> dict[str, Any]:
    return {name: [value] for name, value in values.items()} if as_lists else dict(values)
