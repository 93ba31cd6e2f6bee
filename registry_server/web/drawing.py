"""A node as it looks on a canvas: sockets on both sides, widgets with their defaults between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_TEXT = 120
MOST_ROWS = 80
_WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
_BRANCHING, _GROWING, _MATCHING = "COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_MATCHTYPE_V3"
_COLOURED = frozenset(
    {"MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT", "IMAGE", "MASK", "AUDIO", "VIDEO", "CONTROL_NET", *_WIDGETS}
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An input or output.

    Attributes:
        kind: the type's name; ``colour`` is the name of its colour.
        value: a widget's default; ``None`` for a socket.
        about: its tooltip.
    """

    name: str
    kind: str
    colour: str
    value: str | None = None
    optional: bool = False
    is_list: bool = False
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One node. ``known`` says whether its inputs and outputs could be read."""

    id: str
    title: str
    category: str = ""
    description: str = ""
    inputs: tuple[Row, ...] = ()
    widgets: tuple[Row, ...] = ()
    outputs: tuple[Row, ...] = ()
    marks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    known: bool = False


def draw(node: Mapping[str, Any], schema: object) -> Drawing:
    """A node of a release, by its row and its schema (an ``/object_info`` entry).

    Schemas come from strangers' archives: what has another form than expected is left out.
    """
    entry = schema if isinstance(schema, Mapping) else {}
    rows = list(_inputs(entry))[:MOST_ROWS]
    return Drawing(
        id=node["id"],
        title=_text(node.get("title") or entry.get("display_name") or node["id"]),
        category=_text(node.get("category") or entry.get("category") or ""),
        description=_text(node.get("description") or entry.get("description") or "", 600),
        inputs=tuple(row for row in rows if row.value is None),
        widgets=tuple(row for row in rows if row.value is not None),
        outputs=tuple(_outputs(entry))[:MOST_ROWS],
        marks=tuple(_marks(node, entry)),
        aliases=tuple(_text(alias) for alias in _list(node.get("aliases"))),
        known=bool(entry),
    )


def _inputs(entry: Mapping[str, Any]) -> Iterator[Row]:
    groups, order = _mapping(entry.get("input")), _mapping(entry.get("input_order"))
    for group in ("required", "optional"):
        members = _mapping(groups.get(group))
        first = [name for name in _list(order.get(group)) if isinstance(name, str) and name in members]
        for name in dict.fromkeys([*first, *members]):
            yield _input(str(name), members[name], group == "optional")


def _input(name: str, given: object, optional: bool) -> Row:
    parts = _list(given)
    kind = parts[0] if parts else "*"
    options = _mapping(parts[1]) if len(parts) > 1 else {}
    choices = kind if isinstance(kind, list) else _list(options.get("options"))
    label = "COMBO" if isinstance(kind, list) or kind == _BRANCHING else _text(kind)
    if kind == _BRANCHING:
        choices = [_mapping(choice).get("key", "") for choice in choices]
    elif options.get("widgetType") in _WIDGETS:
        label = _text(options["widgetType"])
    is_widget = label in _WIDGETS and not options.get("forceInput")
    return Row(
        name=_text(name),
        kind=_kind(kind, options) if isinstance(kind, str) else label,
        colour=_colour(label),
        value=_default(label, options, choices) if is_widget else None,
        optional=optional,
        about=_text(options.get("tooltip") or "", 300),
    )


def _kind(kind: str, options: Mapping[str, Any]) -> str:
    """A type in words: ``IMAGE or MASK``, ``2 to 9 of IMAGE``."""
    template = _mapping(options.get("template"))
    if kind == _BRANCHING:
        return "COMBO"
    if kind == _GROWING:
        inner = next(iter(_declared(template)), "*")
        least, most = template.get("min"), template.get("max")
        count = f"{least} to {most}" if isinstance(least, int) and isinstance(most, int) else "any number"
        return f"{count} of {_alternatives(inner)}"
    if kind == _MATCHING:
        allowed = template.get("allowed_types")
        kinds = _alternatives(allowed) if isinstance(allowed, str) and allowed not in ("", "*") else "any type"
        return f"{kinds}, all the same"
    return _alternatives(kind)


def _declared(template: Mapping[str, Any]) -> Iterator[str]:
    for section in _mapping(template.get("input")).values():
        for declaration in _mapping(section).values():
            yield from (part for part in _list(declaration)[:1] if isinstance(part, str))


def _alternatives(kinds: str) -> str:
    return _text(" or ".join(part.strip() for part in kinds.split(",")) if kinds.isascii() else kinds)


def _default(kind: str, options: Mapping[str, Any], choices: list[Any]) -> str:
    value = options.get("default")
    if value is None:
        return _text(choices[0]) if kind == "COMBO" and choices else ""
    return _text(value)


def _outputs(entry: Mapping[str, Any]) -> Iterator[Row]:
    names, lists = _list(entry.get("output_name")), _list(entry.get("output_is_list"))
    for place, given in enumerate(_list(entry.get("output"))):
        kind = "COMBO" if isinstance(given, list) else _text(given)
        name = _text(names[place]) if place < len(names) else ""
        is_list = place < len(lists) and lists[place] is True
        if kind == _MATCHING:
            kind = "as its inputs"
        yield Row(name=kind if name in ("", _MATCHING) else name, kind=kind, colour=_colour(kind), is_list=is_list)


def _marks(node: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
    if node.get("deprecated") or entry.get("deprecated") is True:
        yield "deprecated"
    if entry.get("experimental") is True:
        yield "experimental"
    if entry.get("output_node") is True:
        yield "ends a graph"


def _colour(kind: str) -> str:
    return kind.lower().replace("_", "-") if kind in _COLOURED else "other"


def _text(value: object, longest: int = LONGEST_TEXT) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
