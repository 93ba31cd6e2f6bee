"""Nodes in ComfyUI's first style: ``NODE_CLASS_MAPPINGS`` and what its classes declare."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.inspection.attributes import MISSING, find
from sdk.inspection.code_hash import code_hash
from sdk.inspection.enums import as_text
from sdk.inspection.facts import NodeFacts
from sdk.inspection.host_classes import declared
from sdk.inspection.interpreter import MAPPINGS, Interpreter
from sdk.inspection.leaving import Leaving
from sdk.inspection.plain import UNKNOWN, NotPlain, is_dynamic, plain, source_of, text
from sdk.inspection.schema_style import is_schema_class, schema_facts
from sdk.inspection.values import (
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    List,
    Made,
    Module,
    Unknown,
    Value,
)

TITLES = "NODE_DISPLAY_NAME_MAPPINGS"
_SECTIONS = ("required", "optional", "hidden")


def first_style_nodes(run: Interpreter, module: Module, pack: str) -> Iterator[NodeFacts]:
    """The nodes of a pack's mapping; what can't be read is noted with ``run``."""
    mapping = module.names.get(MAPPINGS)
    if not isinstance(mapping, Dict):
        _note_missing(run, module, mapping)
        return
    for hole in mapping.holes:
        run.note(hole.file or module.file, hole.line, f"{MAPPINGS} has more entries: {hole.reason}")
    titles = module.names.get(TITLES)
    titles = titles if isinstance(titles, Dict) else Dict()
    for node_id, value in mapping.items():
        node_id = as_text(node_id)
        if isinstance(node_id, str):
            yield _facts_or_id(run, node_id, value, titles.get(node_id), pack)
        else:
            run.note(module.file, 0, f"{MAPPINGS} has a key that is no text")


def _note_missing(run: Interpreter, module: Module, mapping: Value) -> None:
    if isinstance(mapping, Unknown):
        run.note(mapping.file or module.file, mapping.line, f"{MAPPINGS}: {mapping.reason}")
    elif isinstance(mapping, External | Made):
        run.note(module.file, 0, f"{MAPPINGS} comes from {mapping.path}, outside the pack")
    elif isinstance(stars := module.names.get("\0stars"), List):
        for hole in stars.holes:
            run.note(hole.file, hole.line, f"{MAPPINGS} may be defined there: {hole.reason}")


def _facts_or_id(run: Interpreter, node_id: str, value: Value, title: Value, pack: str) -> NodeFacts:
    try:
        return _facts(run, node_id, value, title, pack)
    except RecursionError:
        return NodeFacts(id=node_id, title=text(title), style="comfyui-v1")


def _facts(run: Interpreter, node_id: str, value: Value, title: Value, pack: str) -> NodeFacts:
    if not isinstance(value, Class):
        return NodeFacts(id=node_id, title=text(title), style="comfyui-v1")
    if is_schema_class(value):
        return schema_facts(run, value, pack, node_id=node_id, title=text(title))
    reader = _ClassReader(run, value)
    entry = reader.entry(node_id, text(title, node_id), pack)
    return NodeFacts(
        id=node_id,
        title=text(title),
        category=reader.text("CATEGORY"),
        description=reader.text("DESCRIPTION"),
        deprecated="yes" if reader.get("DEPRECATED") is True else "",
        schema=entry,
        dynamic=reader.dynamic if entry else {},
        style="comfyui-v1",
        **place_facts(value, pack),
    )


def place_facts(value: Class | Function, pack: str) -> dict[str, Any]:
    """Hash, tree, file, line and reference of a class or function."""
    if value.node is None:
        return {}
    module = value.scope.module
    dotted = ".".join(filter(None, (pack, module.name)))
    return {
        "code": code_hash(value.node),
        "tree": value.node,
        "file": module.file,
        "line": value.node.lineno,
        "reference": f"{dotted}:{value.name}",
    }


class _ClassReader:
    """Reads what one class declares; ``dynamic`` fills with the inputs that depend on the host."""

    def __init__(self, run: Interpreter, cls: Class) -> None:
        self._run, self._class = run, cls
        self.dynamic: dict[str, str] = {}

    def get(self, name: str) -> Value:
        try:
            found = find(self._run, self._class, name)
        except (CannotKnow, Leaving):
            return None
        if found is not MISSING:
            return found
        bases = [base for base in self._class.line() if isinstance(base, External)]
        return declared(bases[0], name) if len(bases) == 1 else None

    def text(self, name: str) -> str:
        return text(self.get(name)).strip()

    def entry(self, node_id: str, title: str, pack: str) -> Mapping[str, Any]:
        """The entry in ``/object_info``; empty where inputs or outputs can't be read."""
        sections = self._sections()
        outputs = self._outputs()
        if sections is None or outputs is None:
            return {}
        category = self.get("CATEGORY")
        made: dict[str, Any] = {
            "input": sections,
            "input_order": {name: list(section) for name, section in sections.items()},
            **outputs,
            "name": node_id,
            "display_name": title,
            "description": text(self.get("DESCRIPTION")),
            "python_module": f"custom_nodes.{pack}",
            "category": category if isinstance(category, str) else "sd",
            "output_node": self.get("OUTPUT_NODE") is True,
        }
        for key, name in (("deprecated", "DEPRECATED"), ("experimental", "EXPERIMENTAL")):
            if self.get(name) is True:
                made[key] = True
        return made

    def _sections(self) -> dict[str, dict[str, Any]] | None:
        declare = self.get("INPUT_TYPES")
        declared: Value = declare
        if declare is not None and not isinstance(declare, Dict):
            node = self._class.node or ast.Constant(None)
            args = (self._class,) if isinstance(declare, Function) and declare.node.args.args else ()
            declared = _called(self._run, declare, args, self._class, node)
        if not isinstance(declared, Dict) or declared.holes:
            return None
        sections = {}
        for name in _SECTIONS:
            if name not in declared:
                continue
            section = declared[name]
            if not isinstance(section, Dict) or section.holes:
                return None
            made = {str(key): self._input(name, str(key), value) for key, value in section.items()}
            if any(value is None for value in made.values()):
                return None
            sections[name] = made
        return sections

    def _input(self, section: str, name: str, value: Value) -> Any:
        """A declaration in JSON; None where its type is not known."""
        try:
            return plain(value)
        except NotPlain:
            return self._dynamic_input(name, value) if section != "hidden" else None

    def _dynamic_input(self, name: str, value: Value) -> Any:
        if not isinstance(value, tuple | List) or not value:
            return None
        kind, options = value[0], value[1] if len(value) > 1 else None
        try:
            shown: Any = plain(kind)
        except NotPlain:
            if not _is_list_of_choices(kind):
                return None
            shown, self.dynamic[name] = [], source_of(kind)
        if options is None and len(value) < 2:
            return [shown]
        return [shown, self._options(name, options)]

    def _options(self, name: str, options: Value) -> dict[str, Any]:
        known = {}
        for key, item in options.items() if isinstance(options, Dict) else ():
            try:
                known[str(key)] = plain(item)
            except NotPlain:
                self.dynamic.setdefault(name, source_of(item))
        if not isinstance(options, Dict):
            self.dynamic.setdefault(name, "unknown")
        return known

    def _outputs(self) -> dict[str, Any] | None:
        try:
            types = _output_types(self.get("RETURN_TYPES"))
            names = plain(self.get("RETURN_NAMES")) or []
            lists = plain(self.get("OUTPUT_IS_LIST")) or []
            tips = plain(self.get("OUTPUT_TOOLTIPS"))
        except NotPlain:
            return None
        if not isinstance(types, list) or not all(isinstance(part, list) for part in (names, lists)):
            return None
        shown = [kind if isinstance(kind, str) else "COMBO" for kind in types]
        made: dict[str, Any] = {
            "output": types,
            "output_is_list": [bool(lists[n]) if n < len(lists) else False for n in range(len(types))],
            "output_name": [names[n] if n < len(names) else shown[n] for n in range(len(types))],
        }
        return made | ({"output_tooltips": tips} if isinstance(tips, list) else {})


def _output_types(value: Value) -> Any:
    """The outputs' types; one that is a list of choices of the host's is shown empty, as inputs are."""
    if not isinstance(value, tuple | List) or (isinstance(value, List) and value.holes):
        return plain(value)
    return [[] if source_of(kind) != UNKNOWN else plain(kind) for kind in value]


def _is_list_of_choices(kind: Value) -> bool:
    """Whether what is not wholly known can only be a list, not the name of a type."""
    return isinstance(kind, List | tuple) or (
        is_dynamic(kind)
        and (isinstance(kind, List | tuple) or source_of(kind) != "unknown" or isinstance(kind, Made | External))
    )


def _called(run: Interpreter, declare: Value, args: tuple[Value, ...], cls: Class, node: ast.AST) -> Value:
    try:
        return run.call(declare, args, {}, cls.scope, node)
    except (CannotKnow, Leaving, RecursionError):
        return None
