"""Nodes of this platform's own packs: what their entry points register, read from annotations and defaults.

The annotations are turned into the very objects they name, and ``@node`` itself makes the record, of a function that
has the signature but no body. So what is read here can't differ from what importing the pack gives.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.define import HOOK_METHODS
from sdk.define import node as define
from sdk.errors import DefinitionError
from sdk.inspection.classes import CHANGED, NODE_DECORATORS
from sdk.inspection.facts import NodeFacts
from sdk.inspection.first_style import place_facts
from sdk.inspection.interpreter import Interpreter
from sdk.inspection.leaving import Leaving
from sdk.inspection.real_objects import NotReal, Realiser
from sdk.inspection.values import CannotKnow, Class, Function, Instance, Made, Module, Unknown, Value
from sdk.manifest import PackManifest
from sdk.nodes import Input, NodeType
from sdk.object_info import describe

_HOOK = "register_nodes"


def sdk_nodes(run: Interpreter, manifest: PackManifest) -> Iterator[NodeFacts]:
    """The nodes that the pack's entry points register; what can't be read is noted with ``run``."""
    for name, reference in manifest.entry_points.items():
        module_name, _, attribute = reference.partition(":")
        file = run.imports.find_absolute(module_name.strip(), Module("", ""))
        if file is None:
            run.note(
                "pyproject.toml", 0, f"the entry point {name!r} names {module_name!r}, which is no file of the pack"
            )
            continue
        module = run.imports.load(file)
        plugin = _plugin(module, attribute.strip())
        yield from _registered(run, plugin, file) if plugin is not None else ()


def _plugin(module: Value, attribute: str) -> Value:
    if isinstance(module, Module):
        return module.names.get(attribute) if attribute else module
    return None


def _registered(run: Interpreter, plugin: Value, file: str) -> Iterator[NodeFacts]:
    hook = plugin.names.get(_HOOK) if isinstance(plugin, Module | Class | Instance) else None
    if not isinstance(hook, Function):
        return
    line = getattr(hook.node, "lineno", 0)
    try:
        given = run.iterate(run.invoke(hook, (), {}))
    except (CannotKnow, Leaving, RecursionError) as error:
        run.note(file, line, f"what {_HOOK} gives can't be read: {error}")
        return
    for hole in given.holes:
        run.note(hole.file or file, hole.line or line, f"{_HOOK} gives more nodes: {hole.reason}")
    for value in given:
        node, is_changed = _unwrapped(value)
        if _is_node(node):
            yield _facts(run, node, is_changed=is_changed)
        else:
            unknown = value if isinstance(value, Unknown) else Unknown("it is no function or class under @node")
            run.note(
                unknown.file or file, unknown.line or line, f"{_HOOK} gives a node that is not known: {unknown.reason}"
            )


def _unwrapped(value: Value) -> tuple[Value, bool]:
    """The node that ``@node`` made, and whether the pack changed the record afterwards."""
    is_changed = False
    while isinstance(value, Made) and value.path == CHANGED and value.args:
        value, is_changed = value.args[0], True
    return value, is_changed


def _is_node(value: Value) -> bool:
    return (
        isinstance(value, Made)
        and value.path in NODE_DECORATORS
        and isinstance((value.args or (None,))[0], Class | Function)
    )


def _facts(run: Interpreter, made: Made, *, is_changed: bool) -> NodeFacts:
    target: Class | Function = made.args[0]
    options = made.callee.keywords if isinstance(made.callee, Made) else made.keywords
    options = {name: value for name, value in options.items() if name != "target"}
    place = place_facts(target, "")
    place["reference"] = place["reference"].removeprefix("src.")
    try:
        node = _real_node(run, target, options)
    except (NotReal, DefinitionError, TypeError, ValueError) as error:
        run.note(target.scope.module.file, made.line, f"the schema of {target.name!r} can't be read: {error}")
        node_id = options.get("id")
        shown = node_id if isinstance(node_id, str) else _camel_case(target)
        return NodeFacts(id=shown, title=str(options.get("title") or ""), style="sdk", **place)
    described, dynamic = _without_sources(node)
    if is_changed:
        run.note(target.scope.module.file, made.line, f"the record of {node.id!r} is changed after @node made it")
    return NodeFacts(
        id=node.id,
        title=node.title or "",
        category=node.category,
        description=node.description,
        aliases=node.aliases,
        deprecated=node.deprecated or "",
        schema={} if is_changed else describe(dataclasses.replace(described, python_module=_module(place))),
        dynamic={} if is_changed else dynamic,
        style="sdk",
        **place,
    )


def _module(place: Mapping[str, Any]) -> str:
    return str(place["reference"]).partition(":")[0]


def _camel_case(target: Class | Function) -> str:
    if isinstance(target, Class):
        return target.name
    return "".join(part[:1].upper() + part[1:] for part in target.name.strip("_").split("_"))


def _without_sources(node: NodeType) -> tuple[NodeType, Mapping[str, str]]:
    """The node with empty lists in the place of choices that the host resolves, and their sources."""
    sources = {item.name: item.choices for item in node.inputs if isinstance(item.choices, str)}

    def shown(item: Input) -> Input:
        return dataclasses.replace(item, choices=()) if item.name in sources else item

    return dataclasses.replace(node, inputs=tuple(map(shown, node.inputs))), sources


def _real_node(run: Interpreter, target: Class | Function, options: Mapping[str, Value]) -> NodeType:
    realiser = Realiser(run)
    known = {name: _real_option(realiser, name, value) for name, value in options.items()}
    made: NodeType = define(**known)(_double(run, realiser, target))
    return made


def _real_option(realiser: Realiser, name: str, value: Value) -> Any:
    if name in HOOK_METHODS:
        return None if value is None else _hook(realiser, value)
    return realiser.real(value)


def _hook(realiser: Realiser, value: Value) -> Any:
    """A function with the same parameters; it is never called."""
    if not isinstance(value, Function):
        return lambda *args, **kwargs: None
    return _with_signature(lambda *args, **kwargs: None, value.node.args, {}, inspect.Parameter.empty, value.name)


def _double(run: Interpreter, realiser: Realiser, target: Class | Function) -> Any:
    """Something that looks to ``@node`` like the function or class itself."""
    if isinstance(target, Function):
        return _function_double(realiser, target)
    body: dict[str, Any] = {"__doc__": ast.get_docstring(target.node) if target.node else None, "__module__": "pack"}
    for name in ("run", *HOOK_METHODS):
        method = target.lookup(name)
        if not isinstance(method, Function):
            continue
        double = _function_double(realiser, method) if name == "run" else _hook(realiser, method)
        body[name] = staticmethod(double) if method.binding == "staticmethod" else double
        body[name] = classmethod(double) if method.binding == "classmethod" else body[name]
    return type(target.name, (), body)


def _function_double(realiser: Realiser, function: Function) -> Any:
    node = function.node
    if isinstance(node, ast.Lambda):
        raise NotReal("a lambda has no annotations")
    spec = node.args
    hints = {}
    for parameter in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs):
        if parameter.annotation is not None:
            hints[parameter.arg] = realiser.annotation(function.scope, parameter.annotation)
    if node.returns is not None:
        hints["return"] = realiser.annotation(function.scope, node.returns)
    defaults = {name: realiser.real(value) for name, value in function.defaults.items()}
    double = _with_signature(lambda *args, **kwargs: None, spec, defaults, hints, function.name)
    double.__doc__ = ast.get_docstring(node)
    return double


def _with_signature(double: Any, spec: ast.arguments, defaults: Mapping[str, Any], hints: Any, name: str) -> Any:
    kinds = inspect.Parameter
    rows = [
        *((item, kinds.POSITIONAL_ONLY) for item in spec.posonlyargs),
        *((item, kinds.POSITIONAL_OR_KEYWORD) for item in spec.args),
        *([(spec.vararg, kinds.VAR_POSITIONAL)] if spec.vararg else []),
        *((item, kinds.KEYWORD_ONLY) for item in spec.kwonlyargs),
        *([(spec.kwarg, kinds.VAR_KEYWORD)] if spec.kwarg else []),
    ]
    double.__signature__ = inspect.Signature(
        [kinds(item.arg, kind, default=defaults.get(item.arg, kinds.empty)) for item, kind in rows]
    )
    double.__annotations__ = dict(hints) if isinstance(hints, Mapping) else {}
    double.__name__ = double.__qualname__ = name
    return double
