"""Reads what ``INPUT_TYPES`` gives: sections of declarations, ``(type, options)`` or ``([choices], options)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.comfyui.errors import PackDefinitionError
from sdk.markers import Hidden
from sdk.nodes import Input
from sdk.sockets import COMBO, WILDCARD

SECTIONS = ("required", "optional", "hidden")
_HIDDEN = {kind.value: kind for kind in Hidden}


class BareStar(str):
    """The input type ``"*"`` written as a plain string.

    To the reference host it is a type like any other, which fits no link but one from its like. Packs that want the
    wildcard write a string that never differs from another, or a check that asks for ``input_types``.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BareStar)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, BareStar)


@dataclass(frozen=True)
class Declared:
    """A node's inputs as declared today.

    Attributes:
        order: names by section, for the sections the class declares.
        odd_hidden: the hidden section itself, where it holds more than names of kinds.
        more: how inputs under any other name are declared; None where there are none.
    """

    inputs: tuple[Input, ...]
    hidden: Mapping[str, Hidden | str]
    order: Mapping[str, list[str]]
    odd_hidden: Mapping[str, Any] = field(default_factory=dict)
    more: Input | None = None


def read_inputs(pack: str, node: str, declaration: Any) -> Declared:
    """The inputs of a declaration.

    Raises:
        PackDefinitionError: a section is not a dict, or a declaration not of one of the known forms.
    """
    if not isinstance(declaration, Mapping):
        raise PackDefinitionError(
            pack, node, f"INPUT_TYPES gave {type(declaration).__name__}", 'Give a dict such as {"required": {…}}.'
        )
    sections = {name: declaration[name] for name in SECTIONS if name in declaration}
    for name, section in sections.items():
        if not isinstance(section, Mapping):
            raise PackDefinitionError(
                pack, node, f"section {name!r} of INPUT_TYPES is {type(section).__name__}", "Make it a dict of inputs."
            )
    inputs: dict[str, Input] = {}
    for section in ("required", "optional"):
        for name, entry in sections.get(section, {}).items():
            inputs.setdefault(name, _read_input(pack, node, name, entry, required=section == "required"))
    hidden = sections.get("hidden", {})
    plain = {name: _HIDDEN.get(str(kind), str(kind)) for name, kind in hidden.items() if isinstance(kind, str)}
    return Declared(
        inputs=tuple(inputs.values()),
        hidden=plain,
        order={name: list(section) for name, section in sections.items()},
        odd_hidden=dict(hidden) if len(plain) < len(hidden) else {},
        more=_any_name(pack, node, sections.get("optional", {})),
    )


def _any_name(pack: str, node: str, section: Mapping[Any, Any]) -> Input | None:
    """Some packs give a dict that claims to hold every name, so that a prompt may add inputs as it likes."""
    name = "\0any"
    if name not in section:
        return None
    try:
        entry = section[name]
    except KeyError:
        return None
    return _read_input(pack, node, name, entry, required=False)


def _read_input(pack: str, node: str, name: Any, entry: Any, *, required: bool) -> Input:
    if not isinstance(name, str):
        raise PackDefinitionError(pack, node, f"an input is called {name!r}", "Name inputs with strings.")
    if not isinstance(entry, list | tuple) or not entry or not isinstance(entry[0], Iterable):
        raise PackDefinitionError(
            pack,
            node,
            f"input {name!r} is declared as {entry!r:.80}",
            'Write (type, options) or ([choices], options), for instance ("INT", {"default": 0}).',
        )
    kind, options = entry[0], entry[1] if len(entry) > 1 else None
    if options is not None and not isinstance(options, Mapping):
        raise PackDefinitionError(
            pack, node, f"the options of input {name!r} are {type(options).__name__}", "Make them a dict."
        )
    options = None if options is None else dict(options)
    if not isinstance(kind, str):
        return Input(name=name, type=COMBO, required=required, choices=tuple(kind), options=options)
    # Subclasses that lie about equality are dropped: the engine knows the wildcard by its name.
    kind = BareStar(kind) if type(kind) is str and kind == WILDCARD else str.__str__(kind)
    if kind != COMBO:
        return Input(name=name, type=kind, required=required, options=options)
    choices = tuple((options or {}).get("options") or ())
    return Input(name=name, type=COMBO, required=required, choices=choices, options=options, typed_combo=True)
