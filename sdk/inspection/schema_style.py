"""Nodes in ComfyUI's second style: classes with ``define_schema``, and the extension that lists them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.inspection.attributes import find
from sdk.inspection.code_hash import code_hash
from sdk.inspection.facts import NodeFacts
from sdk.inspection.interpreter import Interpreter
from sdk.inspection.leaving import Leaving
from sdk.inspection.plain import text
from sdk.inspection.schema_parts import PartReader, Unreadable, inputs_of, output
from sdk.inspection.values import Bound, CannotKnow, Class, External, Function, List, Made, Module, Unknown, Value

ENTRY_POINT = "comfy_entrypoint"


def is_schema_class(value: Value) -> bool:
    """Whether it is a node class of this style."""
    return isinstance(value, Class) and value.is_from("ComfyNode") and value.lookup("define_schema") is not None


def schema_style_nodes(run: Interpreter, module: Module, pack: str) -> Iterator[NodeFacts]:
    """The nodes that the pack's entry point lists; what can't be read is noted with ``run``."""
    entry = module.names.get(ENTRY_POINT)
    if isinstance(entry, Unknown | External | Made):
        reason = entry.reason if isinstance(entry, Unknown) else f"it comes from {entry.path}, outside the pack"
        run.note(getattr(entry, "file", "") or module.file, getattr(entry, "line", 0), f"{ENTRY_POINT}: {reason}")
        return
    if entry is None:
        return
    listed = _listed(run, module, entry)
    for hole in listed.holes:
        run.note(hole.file or module.file, hole.line, f"the extension lists more nodes: {hole.reason}")
    for value in listed:
        if is_schema_class(value):
            yield schema_facts(run, value, pack)
        elif isinstance(value, Class):
            run.note(value.scope.module.file, value.node.lineno if value.node else 0, f"{value.name} has no schema")
        else:
            unknown = run.as_unknown(value, entry.scope, entry.node) if isinstance(entry, Function) else Unknown("?")
            run.note(unknown.file, unknown.line, f"the extension lists a node that is not known: {unknown.reason}")


def _listed(run: Interpreter, module: Module, entry: Value) -> List:
    node = entry.node if isinstance(entry, Function) else ast.Constant(None)
    scope = entry.scope if isinstance(entry, Function) else run.here.scope
    line = getattr(node, "lineno", 0)
    try:
        extension = run.call(entry, (), {}, scope, node)
        lister = find(run, extension, "get_node_list")
        if isinstance(lister, Function | Bound):
            return run.iterate(run.call(lister, (), {}, scope, node))
    except (CannotKnow, Leaving, RecursionError) as error:
        return List((), [Unknown(str(error) or "an error is raised", module.file, line)])
    return List((), [Unknown("the extension's get_node_list can't be seen", module.file, line)])


def schema_facts(run: Interpreter, cls: Class, pack: str, *, node_id: str = "", title: str = "") -> NodeFacts:
    """One node of this style.

    Args:
        node_id: the name it is registered under; "" for the schema's own.
    """
    schema = _schema(run, cls)
    said: Mapping[str, Value] = schema.keywords if schema else {}
    given = said.get("node_id", schema.args[0] if schema and schema.args else None)
    own_id = node_id or text(given)
    module, node = cls.scope.module, cls.node
    line = node.lineno if node else 0
    if not own_id:
        run.note(module.file, line, f"the schema of {cls.name} does not say its node_id in a way that can be read")
    reader = _SchemaReader(own_id, said)
    return NodeFacts(
        id=own_id,
        title=title or text(said.get("display_name")),
        category=text(said.get("category")),
        description=text(said.get("description")),
        deprecated="yes" if said.get("is_deprecated") is True else "",
        schema=reader.entry(pack) if schema and own_id else {},
        dynamic=reader.dynamic,
        code=code_hash(node) if node else "",
        tree=node,
        file=module.file,
        line=line,
        reference=f"{'.'.join(filter(None, (pack, module.name)))}:{cls.name}",
        style="comfyui-v3",
    )


def _schema(run: Interpreter, cls: Class) -> Made | None:
    node = cls.node or ast.Constant(None)
    try:
        made = run.call(find(run, cls, "define_schema"), (), {}, cls.scope, node)
    except (CannotKnow, Leaving, RecursionError):
        return None
    return made if isinstance(made, Made) and made.path.rpartition(".")[2] == "Schema" else None


class _SchemaReader:
    """Turns what a schema says into an entry of ``/object_info``; ``dynamic`` fills while it does."""

    def __init__(self, node_id: str, said: Mapping[str, Value]) -> None:
        self._id, self._said = node_id, said
        self._parts = PartReader()

    @property
    def dynamic(self) -> Mapping[str, str]:
        """Inputs whose choices only a running host knows."""
        return self._parts.dynamic

    def entry(self, pack: str) -> Mapping[str, Any]:
        """The entry; empty where an input or output can't be read."""
        try:
            sections = self._parts.sections(inputs_of(self._said, "inputs"))
            columns = [output(item) for item in inputs_of(self._said, "outputs")]
        except Unreadable:
            return {}
        hidden = self._hidden()
        if hidden:
            sections["hidden"] = hidden
        return {
            "input": sections,
            "input_order": {name: list(section) for name, section in sections.items()},
            "output": [kind for kind, _, _, _ in columns],
            "output_is_list": [is_list for _, _, is_list, _ in columns],
            "output_name": [name for _, name, _, _ in columns],
            "output_tooltips": [tip for _, _, _, tip in columns],
            "name": self._id,
            "display_name": self._said.get("display_name") if isinstance(self._said.get("display_name"), str) else None,
            "description": text(self._said.get("description")),
            "python_module": f"custom_nodes.{pack}",
            "category": text(self._said.get("category"), "sd"),
            "output_node": self._said.get("is_output_node") is True,
            "deprecated": self._said.get("is_deprecated") is True,
            "experimental": self._said.get("is_experimental") is True,
            "api_node": self._said.get("is_api_node") is True,
        }

    def _hidden(self) -> dict[str, list[str]]:
        listed = self._said.get("hidden")
        listed = listed if isinstance(listed, List | tuple) else ()
        names = [item.path.rpartition(".")[2] for item in listed if isinstance(item, External)]
        if self._said.get("is_output_node") is True:
            names += ["prompt", "extra_pnginfo"]
        if self._said.get("is_api_node") is True:
            names += ["auth_token_comfy_org", "api_key_comfy_org"]
        return {name: [name.upper()] for name in dict.fromkeys(names)}
