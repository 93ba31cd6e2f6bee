"""From a parameter's annotation to an ``Input``, and from a return annotation to ``Output`` records."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from sdk.context import NodeContext
from sdk.errors import DefinitionError
from sdk.markers import Choice, Hidden, Omittable, OptionMarker, Range, Seed, TypedCombo
from sdk.nodes import MISSING, Input, NodeResult, Output
from sdk.sockets import COMBO, Socket

PLAIN_TYPES: Mapping[Any, str] = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}
_DEFAULT_TYPES: Mapping[str, tuple[type, ...]] = {
    "INT": (int,),
    "FLOAT": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
}


@dataclass(frozen=True)
class Annotation:
    """An annotation taken apart: socket type, markers, and whether ``None`` or a list is meant."""

    type: str
    markers: tuple[Any, ...]
    choices: tuple[Any, ...] | str | None
    optional: bool
    is_list: bool


def read_hints(node: str, function: Any) -> dict[str, Any]:
    """The function's annotations, resolved.

    Raises:
        DefinitionError: a name in an annotation can't be found where the function is defined.
    """
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise DefinitionError(
            node, f"an annotation can't be resolved ({error})", "Import every type it uses at module level."
        ) from error


def read_annotation(node: str, name: str, hint: Any) -> Annotation:
    """Take one annotation apart.

    Raises:
        DefinitionError: the type is none that can flow along a link.
    """
    core, markers = _strip(hint)
    members = [member for member in _members(core) if member is not type(None)]
    optional = len(members) < len(_members(core))
    if len(members) == 1 and optional:
        core, inner = _strip(members[0])
        markers += inner
    is_list = typing.get_origin(core) is list
    if is_list:
        core, inner = _strip(typing.get_args(core)[0])
        markers += inner
    choices: tuple[Any, ...] | str | None = None
    if choice := next((m for m in markers if isinstance(m, Choice)), None):
        kind, choices = COMBO, choice.source or choice.values
    elif typing.get_origin(core) is Literal:
        kind, choices = COMBO, typing.get_args(core)
    else:
        kind = _socket_name(node, name, core, markers)
    return Annotation(kind, markers, choices, optional, is_list)


def _strip(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """What an annotation is about, and its markers; ``type X = …`` aliases are looked into."""
    markers: tuple[Any, ...] = ()
    while True:
        if type(hint).__name__ == "TypeAliasType":  # Python 3.12 and later, and typing_extensions
            hint = hint.__value__
        elif typing.get_origin(hint) is Annotated:
            hint, *inner = typing.get_args(hint)
            markers += tuple(inner)
        else:
            return hint, markers


def _members(core: Any) -> tuple[Any, ...]:
    return typing.get_args(core) if typing.get_origin(core) in (Union, types.UnionType) else (core,)


def _socket_name(node: str, name: str, core: Any, markers: tuple[Any, ...]) -> str:
    if socket := next((marker for marker in markers if isinstance(marker, Socket)), None):
        return socket.name
    members = [member for member in _members(core) if member is not type(None)]
    if len(members) > 1:
        return ",".join(_socket_name(node, name, *_strip(member)) for member in members)
    if core in PLAIN_TYPES:
        return PLAIN_TYPES[core]
    raise DefinitionError(
        node,
        f"{name!r} is annotated with {_spelt(core)}, which is no socket type",
        'Use int, float, str, bool, Literal, a type of sdk, or Annotated[Any, Socket("MY_TYPE")].',
    )


def _spelt(core: Any) -> str:
    return getattr(core, "__name__", None) or str(core)


def is_context(hint: Any) -> bool:
    """Whether a parameter asks for the node's context."""
    return hint is NodeContext


def hidden_kind(hint: Any) -> Hidden | None:
    """The hidden value a parameter asks for, or None."""
    core, markers = _strip(hint)
    inner = [marker for member in _members(core) for marker in _strip(member)[1]]
    return next((marker for marker in (*markers, *inner) if isinstance(marker, Hidden)), None)


def make_input(node: str, parameter: inspect.Parameter, annotation: Annotation, tooltip: str | None) -> Input:
    """The input a parameter declares.

    Raises:
        DefinitionError: the default does not fit the type, the range or the choices.
    """
    _refuse_range_without_number(node, parameter.name, annotation)
    default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
    options: dict[str, Any] = {}
    if default is not MISSING and default is not None:
        options["default"] = _checked_default(node, parameter.name, annotation, default)
    typed = _is_typed_combo(node, parameter.name, annotation)
    if typed and isinstance(annotation.choices, tuple):
        options["options"] = list(annotation.choices)
    for marker in annotation.markers:
        if isinstance(marker, OptionMarker):
            options.update(marker.options())
    if tooltip:
        options.setdefault("tooltip", tooltip)
    omittable = annotation.optional or default is None or any(isinstance(m, Omittable) for m in annotation.markers)
    return Input(
        name=parameter.name,
        type=annotation.type,
        required=not omittable,
        choices=annotation.choices,
        options=options or None,
        typed_combo=typed,
        strict=typed,
    )


def _is_typed_combo(node: str, name: str, annotation: Annotation) -> bool:
    if not any(isinstance(marker, TypedCombo) for marker in annotation.markers):
        return False
    if annotation.type != COMBO:
        raise DefinitionError(
            node, f"{name!r} is {annotation.type} and has a TypedCombo", "Only Literal and Choice have a list."
        )
    return True


def _refuse_range_without_number(node: str, name: str, annotation: Annotation) -> None:
    if not {"INT", "FLOAT"}.issuperset(annotation.type.split(",")):
        for marker in annotation.markers:
            if isinstance(marker, Range | Seed):
                raise DefinitionError(
                    node,
                    f"{name!r} is {annotation.type} and has a {type(marker).__name__}",
                    "Only int and float have a range.",
                )


def _checked_default(node: str, name: str, annotation: Annotation, default: Any) -> Any:
    wanted = _DEFAULT_TYPES.get(annotation.type)
    if wanted and (not isinstance(default, wanted) or (isinstance(default, bool) and annotation.type != "BOOLEAN")):
        raise DefinitionError(
            node, f"the default of {name!r} is {default!r}, which is no {annotation.type}", "Change one of the two."
        )
    for marker in annotation.markers:
        if isinstance(marker, Range | Seed):
            low, high = marker.options()["min"], marker.options()["max"]
            if not low <= default <= high:
                raise DefinitionError(
                    node,
                    f"the default of {name!r} is {default}, outside its range {low}..{high}",
                    "Change the default or the range.",
                )
    if isinstance(annotation.choices, tuple) and default not in annotation.choices:
        raise DefinitionError(
            node, f"the default of {name!r} is {default!r}, which is not among its choices", "Add it or change it."
        )
    return float(default) if annotation.type == "FLOAT" else default


def make_outputs(node: str, hint: Any, names: tuple[str, ...], tooltips: tuple[str, ...]) -> tuple[Output, ...]:
    """The outputs a return annotation declares: one type, ``tuple[…]``, a NamedTuple, or None.

    Raises:
        DefinitionError: the annotation is missing, or the number of names differs from that of the types.
    """
    fields = _return_fields(node, hint)
    if names and len(names) != len(fields):
        raise DefinitionError(
            node, f"it names {len(names)} outputs but returns {len(fields)}", "Give every output one name."
        )
    outputs = []
    for index, (field_name, field_hint) in enumerate(fields):
        annotation = read_annotation(node, "return value", field_hint)
        name = names[index] if names else field_name or annotation.type
        tooltip = tooltips[index] if index < len(tooltips) else None
        outputs.append(Output(type=annotation.type, name=name, is_list=annotation.is_list, tooltip=tooltip))
    return tuple(outputs)


def _return_fields(node: str, hint: Any) -> list[tuple[str | None, Any]]:
    if hint is type(None):
        return []
    if hint is MISSING:
        raise DefinitionError(node, "it has no return annotation", "Write `-> Image`, `-> tuple[…]` or `-> None`.")
    if hint is NodeResult:
        raise DefinitionError(node, "it returns NodeResult without saying of what", "Add returns=… to @node.")
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        hints = typing.get_type_hints(hint, include_extras=True)
        return [(name, hints[name]) for name in hint._fields]
    if typing.get_origin(hint) is tuple:
        return [(None, member) for member in typing.get_args(hint)]
    return [(None, hint)]
