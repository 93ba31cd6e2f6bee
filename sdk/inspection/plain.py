"""Turns what is known of a value into JSON, and says of the rest where it comes from."""

from __future__ import annotations

import math
from typing import Any

from sdk.inspection.enums import enum_names, is_enum
from sdk.inspection.values import Class, Dict, External, Instance, List, Made, PathValue, Unknown, Value

UNKNOWN = "unknown"
_SOURCES = {
    "comfy.samplers.KSampler.SAMPLERS": "samplers",
    "comfy.samplers.SAMPLER_NAMES": "samplers",
    "comfy.samplers.KSampler.SCHEDULERS": "schedulers",
    "comfy.samplers.SCHEDULER_NAMES": "schedulers",
    "comfy.samplers.SCHEDULER_HANDLERS": "schedulers",
}
_SOCKETS = {"ANY": "*", "NUMBER": "FLOAT,INT", "PRIMITIVE": "STRING,FLOAT,INT,BOOLEAN"}
_FILE_LIST = "folder_paths.get_filename_list"


class NotPlain(Exception):
    """A value can't be written as JSON; ``value`` is what is not known of it."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


def plain(value: Value) -> Any:
    """The value as JSON holds it.

    Raises:
        NotPlain: a part of it is not known, or is no JSON value.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case PathValue():
            return value.text
        case List() | tuple():
            if holes := getattr(value, "holes", ()):
                raise NotPlain(holes[0])
            return [plain(item) for item in value]
        case Dict():
            if value.holes:
                raise NotPlain(value.holes[0])
            return {str(plain(key)): plain(item) for key, item in value.items() if not _endless(item)}
        case Instance() if is_enum(value.of):
            return plain(value.names.get("value"))
        case Instance() if isinstance(value.names.get("\0text"), str):
            return value.names["\0text"]
        case Class() if is_enum(value):
            return [plain(value.names[name]) for name in enum_names(value)]
        case External() if value.path.split(".")[-2:-1] in (["IO"], ["IOType"]):
            return _SOCKETS.get(value.path.rpartition(".")[2], value.path.rpartition(".")[2])
    raise NotPlain(value)


def _endless(value: Value) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def source_of(value: Value) -> str:
    """Where a list of choices comes from: ``folder:loras``, ``samplers``, ``schedulers``, or ``unknown``."""
    if isinstance(value, List):
        known = {source_of(hole.source) for hole in value.holes} - {UNKNOWN}
        return known.pop() if len(known) == 1 else UNKNOWN
    if isinstance(value, External):
        return _SOURCES.get(value.path, UNKNOWN)
    if isinstance(value, Made) and value.path == _FILE_LIST and len(value.args) == 1 and isinstance(value.args[0], str):
        return f"folder:{value.args[0]}"
    return UNKNOWN


def is_dynamic(value: Value) -> bool:
    """Whether a value is known to come from the running host, or not known at all."""
    return isinstance(value, Unknown | External | Made) or bool(getattr(value, "holes", ()))


def text(value: Value, default: str = "") -> str:
    """The value if it is a text."""
    return value if isinstance(value, str) else default
