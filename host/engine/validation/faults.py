"""The faults of a prompt, as the JSON that clients of ComfyUI show to their users."""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Sequence
from typing import Any

from host.engine.schemas import InputRule

Fault = dict[str, Any]

LONGEST_LIST = 20
"""Lists of choices beyond this length are counted, not spelled out."""


def type_name(kind: type[BaseException]) -> str:
    """A type's name as clients get it: bare for built-in exceptions, with its module otherwise."""
    return kind.__qualname__ if kind.__module__ == builtins.__name__ else f"{kind.__module__}.{kind.__qualname__}"


def frames(error: BaseException) -> list[str]:
    """The formatted frames in which an exception passed."""
    return traceback.format_tb(error.__traceback__)


def prompt_error(kind: str, message: str, details: str = "") -> Fault:
    """A fault of the prompt as a whole."""
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def missing(rule: InputRule) -> Fault:
    return _fault("required_input_missing", "Required input is missing", rule.name, {"input_name": rule.name})


def bad_link(rule: InputRule, value: object) -> Fault:
    message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    return _fault("bad_linked_input", message, rule.name, _about(rule, received_value=value))


def mismatch(rule: InputRule, received: str, link: Sequence[Any]) -> Fault:
    details = f"{rule.name}, received_type({received}) mismatch input_type({rule.wanted})"
    extra = _about(rule, received_type=received, linked_node=link)
    return _fault("return_type_mismatch", "Return type mismatch between linked nodes", details, extra)


def unconvertible(rule: InputRule, value: object, error: Exception) -> Fault:
    message = f"Failed to convert an input value to a {rule.wanted} value"
    extra = _about(rule, received_value=value, exception_message=str(error))
    return _fault("invalid_input_type", message, f"{rule.name}, {value}, {error}", extra)


def too_small(rule: InputRule, value: object) -> Fault:
    message = f"Value {value} smaller than min of {rule.minimum}"
    return _fault("value_smaller_than_min", message, rule.name, _about(rule, received_value=value))


def too_big(rule: InputRule, value: object) -> Fault:
    message = f"Value {value} bigger than max of {rule.maximum}"
    return _fault("value_bigger_than_max", message, rule.name, _about(rule, received_value=value))


def not_listed(rule: InputRule, value: object, choices: Sequence[Any]) -> Fault:
    long = len(choices) > LONGEST_LIST
    shown = f"(list of length {len(choices)})" if long else str(list(choices))
    extra = {"input_name": rule.name, "input_config": None if long else rule.config, "received_value": value}
    return _fault("value_not_in_list", "Value not in list", f"{rule.name}: {value!r} not in {shown}", extra)


def refused(name: str, answer: object) -> Fault:
    details = name if answer is False else f"{name} - {answer}"
    return _fault("custom_validation_failed", "Custom validation failed for node", details, {"input_name": name})


def raised(error: Exception) -> Fault:
    """An output node's own check ended with an exception."""
    extra = {"exception_type": type_name(type(error)), "traceback": frames(error)}
    return _fault("exception_during_validation", "Exception when validating node", str(error), extra)


def raised_inside(error: Exception, name: str, config: list[Any] | None, link: Sequence[Any]) -> Fault:
    """The check of a node that input ``name`` is linked to ended with an exception."""
    extra = {
        "input_name": name,
        "input_config": config,
        "exception_message": str(error),
        "exception_type": type_name(type(error)),
        "traceback": frames(error),
        "linked_node": link,
    }
    return _fault("exception_during_inner_validation", "Exception when validating inner node", str(error), extra)


def _fault(kind: str, message: str, details: str, extra: dict[str, Any]) -> Fault:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def _about(rule: InputRule, **more: object) -> dict[str, Any]:
    return {"input_name": rule.name, "input_config": rule.config, **more}
