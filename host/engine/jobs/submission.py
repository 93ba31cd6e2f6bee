"""Reads what clients send to have a prompt run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.engine.errors import EngineError
from host.engine.validation.faults import prompt_error


class BadSubmission(EngineError):
    """A request that holds no prompt, or says something unreadable beside it; ``answer`` is ComfyUI's JSON for it."""

    def __init__(self, kind: str, message: str, details: str) -> None:
        super().__init__(kind, message, details)
        self.answer: dict[str, Any] = {"error": prompt_error(kind, message, details), "node_errors": {}}
        self.message, self.details = message, details

    def __str__(self) -> str:
        return f"{self.message}: {self.details}"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to run a prompt.

    Attributes:
        prompt: as sent, whatever it is; ``validate`` says what is wrong with it.
        number: priority, if the client gave one.
        front: before everything that waits.
        targets: the only outputs wanted; None for all.
        webhook: the address to tell how the job ended.
    """

    prompt: Any
    prompt_id: str | None = None
    client_id: str | None = None
    number: float | None = None
    front: bool = False
    targets: tuple[str, ...] | None = None
    extra_data: Mapping[str, Any] = field(default_factory=dict)
    webhook: str | None = None


def read_submission(body: str | bytes, revised: Callable[[Any], Any] | None = None) -> Submission:
    """The request in a body of JSON; unknown keys are ignored.

    Args:
        revised: gives what is to be read instead of what was sent.

    Raises:
        BadSubmission: the body is no JSON object with a ``prompt``, or another key has an unusable value.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadSubmission("invalid_prompt", "The request is not JSON", str(error)) from error
    return submission_of(said if revised is None else revised(said))


def submission_of(said: object) -> Submission:
    """The request in a parsed body; raises BadSubmission as ``read_submission`` does."""
    if not isinstance(said, dict) or "prompt" not in said:
        raise BadSubmission("no_prompt", "No prompt provided", "No prompt provided")
    targets = said.get("partial_execution_targets")
    return Submission(
        prompt=said["prompt"],
        prompt_id=_typed(said, "prompt_id", str),
        client_id=_typed(said, "client_id", str),
        number=_number(said),
        front=bool(said.get("front", False)),
        targets=None if targets is None else tuple(_typed(said, "partial_execution_targets", list)),
        extra_data=_typed(said, "extra_data", dict) or {},
        webhook=_typed(said, "webhook", str),
    )


def _typed(said: Mapping[str, Any], key: str, kind: type) -> Any:
    value = said.get(key)
    if value is None or isinstance(value, kind):
        return value
    raise BadSubmission("invalid_prompt", f"The value of {key} can't be used", f"{value!r:.200} is no {kind.__name__}")


def _number(said: Mapping[str, Any]) -> float | None:
    if said.get("number") is None:
        return None
    try:
        number = float(said["number"])
    except (TypeError, ValueError, OverflowError) as error:
        raise BadSubmission("invalid_prompt", "The value of number can't be used", str(error)) from error
    if not math.isfinite(number):
        raise BadSubmission("invalid_prompt", "The value of number can't be used", f"{number} is not finite")
    return number
