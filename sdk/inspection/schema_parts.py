"""Inputs and outputs of nodes in ComfyUI's second style, as ``/object_info`` shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdk.inspection.plain import NotPlain, plain, source_of, text
from sdk.inspection.values import External, List, Made, Value

_TYPES = {
    "Int": "INT",
    "Float": "FLOAT",
    "String": "STRING",
    "Boolean": "BOOLEAN",
    "Combo": "COMBO",
    "MultiCombo": "COMBO",
    "AnyType": "*",
    "MatchType": "COMFY_MATCHTYPE_V3",
    "Autogrow": "COMFY_AUTOGROW_V3",
    "AutogrowDynamic": "COMFY_AUTOGROW_V3",
    "DynamicCombo": "COMFY_DYNAMICCOMBO_V3",
    "DynamicSlot": "COMFY_DYNAMICSLOT_V3",
}
_WIDGETS = frozenset({"Int", "Float", "String", "Boolean", "Combo", "MultiCombo", "Color"})
_OPTIONS = {
    **{
        name: name
        for name in (
            "default",
            "min",
            "max",
            "step",
            "round",
            "tooltip",
            "multiline",
            "placeholder",
            "lazy",
            "display_name",
            "socketless",
            "label_on",
            "label_off",
            "control_after_generate",
            "image_folder",
            "chip",
        )
    },
    "display_mode": "display",
    "dynamic_prompts": "dynamicPrompts",
    "force_input": "forceInput",
    "widget_type": "widgetType",
    "raw_link": "rawLink",
}
_ENUMERATIONS = frozenset({"NumberDisplay", "FolderType", "ControlAfterGenerate"})
_UPLOADS = {"image": "image_upload", "audio": "audio_upload", "video": "video_upload", "model": "file_upload"}


class Unreadable(Exception):
    """An input or output is not known without running the code."""


@dataclass(frozen=True)
class Declaration:
    """One input: its name, whether it may be left out, and its entry."""

    name: str
    is_optional: bool
    entry: list[Any]


@dataclass(eq=False)
class PartReader:
    """Reads inputs and outputs; ``dynamic`` fills with the inputs whose choices only the host knows."""

    dynamic: dict[str, str] = field(default_factory=dict)

    def sections(self, values: Iterable[Value]) -> dict[str, dict[str, Any]]:
        """Required and optional inputs.

        Raises:
            Unreadable: one of them can't be read.
        """
        sections: dict[str, dict[str, Any]] = {"required": {}}
        for read in [self.input(value) for value in values]:
            sections.setdefault("optional" if read.is_optional else "required", {})[read.name] = read.entry
        return sections

    def input(self, made: Value) -> Declaration:
        """One input.

        Raises:
            Unreadable: its type or name is not known.
        """
        if not isinstance(made, Made):
            raise Unreadable
        first = made.args[0] if made.args else made.keywords.get("id", made.keywords.get("slot"))
        wrapped = self.input(first) if isinstance(first, Made) else None
        name = wrapped.name if wrapped else first
        if not isinstance(name, str):
            raise Unreadable
        is_optional = made.keywords.get("optional") is True or (wrapped is not None and wrapped.is_optional)
        return Declaration(name, is_optional, self._entry(made, name, first if wrapped else None, wrapped))

    def _entry(self, made: Made, name: str, inner: Made | None, wrapped: Declaration | None) -> list[Any]:
        kind = _last_but_one(made)
        shown = _multi_type(made, inner) if kind == "MultiType" else type_of(made)
        options = self._options(name, made)
        if wrapped is not None:
            widget = {"widgetType": wrapped.entry[0]} if _last_but_one(inner) in _WIDGETS else {}
            options = wrapped.entry[1] | widget | options
        return [shown, self._special(kind, name, made) | options | self._of_widget(kind, name, made)]

    def _of_widget(self, kind: str, name: str, made: Made) -> dict[str, Any]:
        if kind in ("Combo", "MultiCombo"):
            return {"options": self._choices(name, made)}
        return {}

    def _special(self, kind: str, name: str, made: Made) -> dict[str, Any]:
        """What stands first in the options of some types."""
        match kind:
            case "String":
                return {"multiline": False}
            case "Combo" | "MultiCombo":
                return {"multiselect": kind == "MultiCombo"}
            case "MatchType":
                return {"template": _match_template(_argument(made, "template", 1))}
            case "Autogrow":
                return {"template": self._growing(_argument(made, "template", 1))}
            case "DynamicCombo":
                return {"options": [self._alternative(item) for item in _listed(_argument(made, "options", 1))]}
            case "DynamicSlot":
                return {"inputs": self.sections(_listed(_argument(made, "inputs", 1))), "forceInput": True}
        return {}

    def _options(self, name: str, made: Made) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for key, value in made.keywords.items():
            if value is None:
                continue
            if key == "upload" and isinstance(value, External):
                options[_UPLOADS.get(value.path.rpartition(".")[2], "file_upload")] = True
            elif key == "remote" and isinstance(value, Made):
                options[key] = {name: item for name, item in value.keywords.items() if item is not None}
            elif key in _OPTIONS:
                self._option(options, name, _OPTIONS[key], value)
        extra = made.keywords.get("extra_dict")
        return options | (plain(extra) if _is_plain_dict(extra) else {})

    def _option(self, options: dict[str, Any], name: str, key: str, value: Value) -> None:
        try:
            options[key] = _of_enumeration(value) or plain(value)
        except NotPlain:
            self.dynamic.setdefault(name, source_of(value))

    def _choices(self, name: str, made: Made) -> list[Any]:
        value = _argument(made, "options", 1)
        try:
            shown = plain(value)
        except NotPlain:
            self.dynamic[name] = source_of(value)
            return []
        return shown if isinstance(shown, list) else []

    def _growing(self, template: Value) -> dict[str, Any]:
        """An input that is there as often as it is used."""
        if not isinstance(template, Made):
            raise Unreadable
        shown: dict[str, Any] = {"input": self.sections([_argument(template, "input", 0)])}
        for key, place in (("prefix", 1), ("names", 1), ("min", 2), ("max", 3)):
            if key in template.keywords or _is_positional(template, key, place):
                shown[key] = _plain(_argument(template, key, place))
        return shown

    def _alternative(self, option: Value) -> dict[str, Any]:
        """A choice that brings inputs of its own."""
        if not isinstance(option, Made):
            raise Unreadable
        inputs = self.sections(_listed(_argument(option, "inputs", 1)))
        return {"key": _plain(_argument(option, "key", 0)), "inputs": inputs}


def output(made: Value) -> tuple[str, str, bool, str | None]:
    """Type, name, whether it is a list, and tooltip of an output.

    Raises:
        Unreadable: its type is not known.
    """
    if not isinstance(made, Made):
        raise Unreadable
    kind = type_of(made)
    name = text(made.keywords.get("display_name", made.args[1] if len(made.args) > 1 else None)) or kind
    tip = made.keywords.get("tooltip")
    return kind, name, made.keywords.get("is_output_list") is True, tip if isinstance(tip, str) else None


def type_of(made: Made) -> str:
    """The socket type of ``io.Image.Input(…)``, ``io.Custom("X").Output(…)``.

    Raises:
        Unreadable: it is neither an input nor an output, or its type is not known.
    """
    if made.path.rpartition(".")[2] not in ("Input", "Output"):
        raise Unreadable
    kind = _last_but_one(made)
    owner = made.callee.owner if isinstance(made.callee, External) else None
    if kind == "Custom" and isinstance(owner, Made) and owner.args:
        return text(owner.args[0]) or _refused()
    return _refused() if kind in ("", "Custom") else _name_of(kind)


def _name_of(kind: str) -> str:
    return _TYPES.get(kind) or _upper(kind)


def _refused() -> str:
    raise Unreadable


def _multi_type(made: Made, inner: Made | None) -> str:
    """``IMAGE,MASK``: any of several types."""
    names = [] if inner is None else [type_of(inner)]
    return ",".join(dict.fromkeys([*names, *map(_socket, _listed(_argument(made, "types", 1)))]))


def _match_template(template: Value) -> dict[str, Any]:
    """What two sockets that must be of one type share."""
    if not isinstance(template, Made):
        raise Unreadable
    allowed = _argument(template, "allowed_types", 1)
    kinds = (
        ["*"] if allowed is None else map(_socket, _listed(allowed) if isinstance(allowed, List | tuple) else [allowed])
    )
    return {"template_id": _plain(_argument(template, "template_id", 0)), "allowed_types": ",".join(kinds)}


def _socket(value: Value) -> str:
    """The name of a type such as ``io.Image`` or ``io.Custom("X")``."""
    if isinstance(value, External):
        return _name_of(value.path.rpartition(".")[2])
    if isinstance(value, Made) and value.path.endswith(".Custom") and value.args:
        return text(value.args[0]) or _refused()
    raise Unreadable


def _last_but_one(made: Made | None) -> str:
    parts = made.path.split(".") if made is not None else []
    return parts[-2].removesuffix("()") if len(parts) > 1 else ""


def _argument(made: Made, name: str, place: int) -> Value:
    return made.keywords.get(name, made.args[place] if len(made.args) > place else None)


def _is_positional(template: Made, key: str, place: int) -> bool:
    if key in ("prefix", "names") and ("Names" in template.path) is not (key == "names"):
        return False
    return len(template.args) > place


def _listed(value: Value) -> list[Value]:
    if not isinstance(value, List | tuple) or (isinstance(value, List) and value.holes):
        raise Unreadable
    return list(value)


def _plain(value: Value) -> Any:
    try:
        return plain(value)
    except NotPlain as error:
        raise Unreadable from error


def _of_enumeration(value: Value) -> str:
    """``slider`` of ``io.NumberDisplay.slider``; "" for anything else."""
    parts = value.path.split(".") if isinstance(value, External) else []
    return parts[-1] if len(parts) > 1 and parts[-2] in _ENUMERATIONS else ""


def _is_plain_dict(value: Value) -> bool:
    try:
        return isinstance(plain(value), dict)
    except NotPlain:
        return False


def _upper(name: str) -> str:
    """``ControlNet`` becomes ``CONTROL_NET``, ``UpscaleModel`` ``UPSCALE_MODEL``, ``IMAGE`` stays."""
    spaced = "".join(f"_{c}" if c.isupper() and n and not name[n - 1].isupper() else c for n, c in enumerate(name))
    return spaced.upper()


def inputs_of(said: Mapping[str, Value], name: str) -> list[Value]:
    """What a schema lists as its inputs or outputs.

    Raises:
        Unreadable: the list is not known.
    """
    value = said.get(name)
    return [] if value is None else _listed(value)
