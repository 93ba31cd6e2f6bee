"""Enumerations of a pack, whose members are objects that may also be texts."""

from __future__ import annotations

from sdk.inspection.values import Class, Function, Instance, Value


def is_enum(cls: Class) -> bool:
    """Whether it is an enumeration."""
    return any(cls.is_from(name) for name in ("Enum", "StrEnum", "IntEnum"))


def enum_names(cls: Class) -> list[str]:
    """The members' names."""
    return [name for name, value in cls.names.items() if not name.startswith("_") and not isinstance(value, Function)]


def as_text(value: Value) -> Value:
    """The text that an object is, if it is one: a member of an enumeration of texts, an object of a subclass of str."""
    if not isinstance(value, Instance):
        return value
    if isinstance(text := value.names.get("\0text"), str):
        return text
    if is_enum(value.of) and (str in value.of.line() or value.of.is_from("StrEnum")):
        member = value.names.get("value")
        return member if isinstance(member, str) else value
    return value
