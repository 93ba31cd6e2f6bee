"""Classes in ComfyUI's first form for the nodes of any pack, so that the code of packs can call and subclass them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from host.comfyui.call_forms import CallForm, call_form
from host.comfyui.handles import from_pack, to_pack
from host.comfyui.home import home
from host.comfyui.results import finish
from host.comfyui.running import node_context
from host.engine.services import file_stamp
from sdk.nodes import MISSING, NodeResult, NodeType


def class_of(node: NodeType) -> type:
    """The class of a node: its own where a pack wrote one in that form, else one that calls the node."""
    if isinstance(node.function, type):
        return node.function
    known = home().node_classes
    if node not in known:
        known[node] = _made(node)
    return known[node]


class NodeClass:
    """Base of the classes made here; ``NODE`` is the host's record of the node, ``FORM`` how it is called."""

    NODE: NodeType
    FORM: CallForm

    @cached_property
    def _state(self) -> Any:
        """What the node keeps between calls; also where a subclass has an ``__init__`` that doesn't call this one's."""
        return self.NODE.create() if self.NODE.create else None

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  (packs call it by this name)
        """The inputs by section, as they are now."""
        today = cls.NODE.refresh() if cls.NODE.refresh else cls.NODE
        sections: dict[str, dict[str, Any]] = {"required": {}}
        for item in today.inputs:
            section = sections.setdefault("required" if item.required else "optional", {})
            listed = (
                replace(item, choices=tuple(home().choices(item.choices))) if isinstance(item.choices, str) else item
            )
            section[item.name] = tuple(listed.config())
        if today.hidden:
            sections["hidden"] = {name: str(kind) for name, kind in today.hidden.items()}
        return sections


class _ReadingClass(NodeClass):
    """The class of a node that reads files."""

    @classmethod
    def IS_CHANGED(cls, **inputs: Any) -> Any:  # noqa: N802
        """Sizes and times of change of these files."""
        sources = {item.name: item.choices for item in cls.NODE.inputs if isinstance(item.choices, str)}
        names = [name for name in cls.NODE.reads if isinstance(inputs.get(name), str)]
        return tuple(file_stamp(home().folders, sources.get(name), inputs[name]) for name in names)


def _made(node: NodeType) -> type:
    form = call_form(node)
    outputs = node.outputs
    facts: dict[str, Any] = {
        "NODE": node,
        "FORM": form,
        "FUNCTION": form.method,
        "CATEGORY": node.category,
        "DESCRIPTION": node.description,
        "RETURN_TYPES": tuple(item.type for item in outputs),
        "RETURN_NAMES": tuple(item.name for item in outputs),
        "OUTPUT_IS_LIST": tuple(item.is_list for item in outputs),
        "OUTPUT_NODE": node.output_node,
        "INPUT_IS_LIST": node.takes_lists,
        "__module__": "nodes",
        "__doc__": node.description,
        **{name: _method(node, form, name) for name in (form.method, form.earlier) if name},
    }
    if node.reads:
        return type(node.id, (_ReadingClass,), facts)
    return type(node.id, (NodeClass,), facts)


def _method(node: NodeType, form: CallForm, name: str) -> Any:
    def call(self: NodeClass, *given: Any, **named: Any) -> Any:
        inputs = _bound(node, form, given, named)
        context = node_context(f"{node.id}.{form.method}")
        result = finish(node.run(self._state, inputs, context))
        return _as_returned(result)

    call.__name__ = name
    call.__doc__ = node.description
    return call


def _bound(node: NodeType, form: CallForm, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a call, as the host knows them.

    Raises:
        TypeError: there are too many, some have no such name, or some are missing.
    """
    if len(given) > len(form.arguments):
        raise TypeError(f"{node.id}.{form.method}() takes {len(form.arguments)} arguments, {len(given)} were given")
    inputs = dict(zip(form.arguments, given, strict=False))
    twice, strange = inputs.keys() & named.keys(), named.keys() - set(form.arguments)
    if twice or (strange and node.more_inputs is None):
        problem = f"got {sorted(twice)} twice" if twice else f"has no {sorted(strange)}"
        raise TypeError(f"{node.id}.{form.method}() {problem}; its arguments are {', '.join(form.arguments)}")
    inputs |= named
    declared = {item.name: item for item in node.inputs}
    defaults = {name: item.default for name, item in declared.items() if item.required and name not in inputs}
    if missing := [name for name, default in defaults.items() if default is MISSING]:
        raise TypeError(f"{node.id}.{form.method}() needs {', '.join(missing)}")
    return {name: from_pack(value) for name, value in (defaults | inputs).items()}


def _as_returned(result: NodeResult) -> Any:
    outputs = tuple(map(to_pack, result.outputs))
    more = {"ui": result.ui, "expand": result.expand}
    facts = {name: value for name, value in more.items() if value is not None}
    return {**facts, "result": outputs} if facts else outputs
