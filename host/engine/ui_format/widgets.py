"""Which value of ``widgets_values`` belongs to which input.

Editors save the values of a node's widgets as a bare list. Its order is that of the node's inputs, required ones
first, leaving out those without a widget; after some widgets follow the values of helpers that the editor adds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from host.engine.ui_format.graph import UiNode
from sdk.nodes import MISSING, Input, NodeType
from sdk.sockets import COMBO

logger = logging.getLogger(__name__)

WIDGET_TYPES = frozenset(("INT", "FLOAT", "STRING", "BOOLEAN", COMBO))
_EDITOR_WIDGETS = frozenset(
    ("COLOR", "IMAGEUPLOAD", "AUDIOUPLOAD", "AUDIO_UI", "AUDIO_RECORD", "LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM")
)
_CONTROL_MODES = frozenset(("fixed", "increment", "decrement", "randomize", "increment-wrap"))
_CONTROLLED_NAMES = frozenset(("seed", "noise_seed"))
_BUTTONS_3D = frozenset(("upload3dmodel", "uploadExtraResources", "clear"))
_UPLOADS = frozenset(("image_upload", "video_upload", "audio_upload", "file_upload", "animated_image_upload"))


def widget_values(node: UiNode, schema: NodeType) -> dict[str, Any]:
    """Values by input name: the saved ones, and for widgets newer than the file what an editor starts them with.

    That is the declared default, or else the first of the choices, which is logged.
    """
    widgets = _widgets(node, schema)
    if isinstance(node.values, Mapping):
        found = {item.name: node.values[item.name] for item in widgets if item.name in node.values}
    else:
        found = _aligned(node.values, widgets)
    for item in widgets:
        if item.name in found:
            continue
        if item.default is not MISSING:
            found[item.name] = item.default
        elif node.values and item.choices:
            found[item.name] = item.choices[0]
            logger.warning(
                "node %s (%s) was saved without a value for %r; it gets the first choice, %r",
                *(node.id, node.type, item.name, item.choices[0]),
            )
    return found


def wrapped(value: Any) -> Any:
    """The value as API format writes it: a list would read as a link, so it is put into a dict."""
    return {"__value__": value} if isinstance(value, list) else value


def _widgets(node: UiNode, schema: NodeType) -> list[Input]:
    """Inputs with a widget, in the editor's order."""
    saved = {item.name for item in node.inputs if item.widget is not None}
    inputs = [item for item in schema.inputs if _has_widget(item, saved)]
    return [item for item in inputs if item.required] + [item for item in inputs if not item.required]


def _has_widget(item: Input, saved_as_widgets: set[str]) -> bool:
    if item.option("forceInput"):
        return False
    known = item.type in WIDGET_TYPES or item.type in _EDITOR_WIDGETS or item.option("widgetType") is not None
    return known or item.name in saved_as_widgets


def _aligned(values: Sequence[Any], widgets: Sequence[Input]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if any(item.type == "LOAD_3D" for item in widgets):
        values = [value for value in values if not (isinstance(value, str) and value in _BUTTONS_3D)]
    position = 0
    for index, item in enumerate(widgets):
        rest = widgets[index:]
        if not item.required and (index == 0 or widgets[index - 1].required):
            position += _uploads_to_skip(widgets[:index], len(values) - position - _count(rest, values[position:]))
        if position >= len(values):
            break
        found[item.name] = values[position]
        position += 1
        position += _controls_to_skip(item, rest[1:], values[position : position + 2])
    return found


def _controls_to_skip(item: Input, following: Sequence[Input], upcoming: Sequence[Any]) -> int:
    """How many values after a widget's own belong to its fixed/increment/randomise control.

    Old files may lack the control, and files of other versions may have one we don't expect, so the value decides.
    """
    if not upcoming:
        return 0
    if isinstance(upcoming[0], bool):  # the oldest files have a switch there
        return int(_is_controlled(item) and bool(following) and following[0].type != "BOOLEAN")
    if not isinstance(upcoming[0], str) or upcoming[0] not in _CONTROL_MODES:
        return 0
    if _is_controlled(item):
        # A controlled list has a text box for filtering its choices as well.
        has_filter = item.type == COMBO and len(upcoming) > 1 and isinstance(upcoming[1], str)
        fits_next = bool(following) and has_filter and _may_hold(following[0], upcoming[1]) and upcoming[1] != ""
        return 2 if has_filter and not fits_next else 1
    if item.type != "INT":
        return 0
    return 0 if following and _may_hold(following[0], upcoming[0]) else 1


def _is_controlled(item: Input) -> bool:
    if item.type not in ("INT", COMBO):
        return False
    return bool(item.option("control_after_generate", item.type == "INT" and item.name in _CONTROLLED_NAMES))


def _may_hold(item: Input, value: str) -> bool:
    if item.type == "STRING":
        return True
    return item.type == COMBO and value in (item.choices or ())


def _uploads_to_skip(required: Sequence[Input], surplus: int) -> int:
    """Upload buttons stand behind the required widgets and have a value too."""
    buttons = sum(any(item.option(name) for name in _UPLOADS) for item in required)
    return max(0, min(surplus, 2)) if buttons else 0


def _count(widgets: Sequence[Input], values: Sequence[Any]) -> int:
    """How many values these widgets take up, with their controls."""
    controls = sum(_is_controlled(item) for item in widgets)
    modes = sum(isinstance(value, str) and value in _CONTROL_MODES for value in values)
    return len(widgets) + min(controls, modes)
