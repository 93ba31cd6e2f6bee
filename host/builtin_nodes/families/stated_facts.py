"""Facts that a file's metadata states because shapes can't tell them (``sdk.models.CONFIG_METADATA``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import CONFIG_METADATA, Header


def stated_facts(header: Header) -> Mapping[str, Any]:
    """The facts by name; none for a file that states none.

    Raises:
        LayoutError: the metadata is no JSON object.
    """
    text = header.metadata.get(CONFIG_METADATA)
    if text is None:
        return {}
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} is no JSON") from error
    if not isinstance(facts, dict):
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} is no JSON object")
    return facts


def whole_number(facts: Mapping[str, Any], name: str) -> int | None:
    """A fact that is a positive whole number; None where it isn't stated.

    Raises:
        LayoutError: it is something else.
    """
    value = facts.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} has {name} = {value!r}")
    return value


def whole_numbers(facts: Mapping[str, Any], name: str) -> list[int] | None:
    """A fact that is a list of positive whole numbers; None where it isn't stated.

    Raises:
        LayoutError: it is something else.
    """
    values = facts.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) is int and value > 0 for value in values):
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} has {name} = {values!r}")
    return values
