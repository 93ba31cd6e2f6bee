"""``@node``: turns an annotated function, or a small class with a ``run`` method, into a ``NodeType``.

The signature is the schema: annotations give sockets and widgets, defaults give defaults, the docstring gives
the description and the tooltips. Whatever is wrong with it is said where it is defined, not when it runs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sdk import annotations as reading
from sdk.errors import DefinitionError
from sdk.linked_values import check, mismatch
from sdk.markers import Hidden, Shaped
from sdk.nodes import MISSING, Blocker, Determinism, Input, NodeResult, NodeType, Output, Validation

_COMPLAINTS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, ArithmeticError)
"""What libraries raise when sizes don't go together or a value is missing; other errors of these types pass."""
HOOK_METHODS = ("check_lazy", "validate", "fingerprint", "migrate")


@dataclass(frozen=True)
class _Signature:
    """What a function's signature and docstring say."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    hidden: Mapping[str, Hidden]
    description: str
    context: str | None
    lists: frozenset[str] = field(default_factory=frozenset)
    shaped: Mapping[str, Shaped] = field(default_factory=dict)


def node(
    target: Any = None,
    *,
    id: str | None = None,
    title: str | None = None,
    category: str = "",
    names: Iterable[str] = (),
    output_tooltips: Iterable[str] = (),
    returns: Any = MISSING,
    output_node: bool = False,
    determinism: Determinism = Determinism.PURE,
    reads: Iterable[str] = (),
    thread_safe: bool = False,
    aliases: Iterable[str] = (),
    deprecated: str | None = None,
    experimental: bool = False,
    check_lazy: Callable[..., Any] | None = None,
    validate: Callable[..., bool | str] | None = None,
    fingerprint: Callable[..., Any] | None = None,
    migrate: Callable[[dict[str, Any], str], dict[str, Any]] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Any:
    """Make a node of a function or class; used as ``@node`` or ``@node(category="image")``.

    Args:
        target: the function or class, when used without parentheses.
        id: bare name; by default the function's name in CamelCase, or the class's name.
        title: what users see; by default the id.
        category: place in the menu, levels separated by ``/``.
        names: names of the outputs; by default their types.
        output_tooltips: one sentence for each output.
        returns: the return annotation, where the function itself returns a ``NodeResult``.
        output_node: the node is a reason to run a prompt (it saves or shows something).
        determinism: what the result depends on besides the inputs.
        reads: inputs that name files whose change makes the result stale.
        thread_safe: calls may overlap with other nodes.
        aliases: former ids that workflows may still use.
        deprecated: why, and what to use instead.
        experimental: users see that the node may change.
        check_lazy, validate, fingerprint, migrate: see ``NodeType``; a class may define them as methods. They
            are called with the inputs they name.
        info: further facts for ``/object_info``.

    Raises:
        DefinitionError: anything about the definition is wrong; the message names node, problem and remedy.
    """

    facts = {
        "title": title,
        "category": category,
        "output_node": output_node,
        "determinism": determinism,
        "reads": tuple(reads),
        "thread_safe": thread_safe,
        "aliases": tuple(aliases),
        "deprecated": deprecated,
        "experimental": experimental,
        "info": dict(info or {}),
    }
    hooks = {"check_lazy": check_lazy, "validate": validate, "fingerprint": fingerprint, "migrate": migrate}

    def define(made_from: Any) -> NodeType:
        name = getattr(made_from, "__name__", type(made_from).__name__)
        node_id = id or (name if inspect.isclass(made_from) else _camel_case(name))
        _check_id(node_id)
        return _define(node_id, made_from, (tuple(names), tuple(output_tooltips), returns), hooks, facts)

    return define if target is None else define(target)


def _check_id(node_id: str) -> None:
    if not node_id or "/" in node_id:
        remedy = "Give it an id without '/', which separates pack and node in a true id."
        raise DefinitionError(node_id, f"{node_id!r} can't be an id", remedy)


def _define(
    node_id: str, made_from: Any, returned: tuple[Any, Any, Any], hooks: Mapping[str, Any], facts: Mapping[str, Any]
) -> NodeType:
    is_class = inspect.isclass(made_from)
    if is_class:
        hooks = {**hooks, **{name: getattr(made_from, name) for name in HOOK_METHODS if hasattr(made_from, name)}}
        _refuse_instance_methods(node_id, made_from)
    body = _body(node_id, made_from)
    signature = _read_signature(node_id, body, made_from, *returned)
    known = frozenset(item.name for item in signature.inputs)
    _check_names(node_id, "reads", facts["reads"], known)
    _check_lazy(node_id, signature, hooks["check_lazy"])
    return NodeType(
        id=node_id,
        description=signature.description,
        inputs=signature.inputs,
        outputs=signature.outputs,
        hidden=dict(signature.hidden),
        run=_runner(node_id, body, signature, is_class),
        create=made_from if is_class else None,
        takes_lists=bool(signature.lists),
        lazy=_lazy(hooks["check_lazy"], is_class) if hooks["check_lazy"] else None,
        validation=_validation(node_id, hooks["validate"], known) if hooks["validate"] else None,
        fingerprint=_by_name(hooks["fingerprint"]) if hooks["fingerprint"] else None,
        migrate=hooks["migrate"],
        python_module=made_from.__module__,
        function=made_from if not is_class else lambda *args, **kwargs: made_from().run(*args, **kwargs),
        **facts,
    )


def _refuse_instance_methods(node_id: str, made_from: type) -> None:
    """All but ``check_lazy`` are called when no object of the class is there."""
    for name in HOOK_METHODS[1:]:
        if inspect.isfunction(inspect.getattr_static(made_from, name, None)):
            raise DefinitionError(
                node_id, f"`{name}` is called without an object of the class", "Mark it with @staticmethod."
            )


def _check_lazy(node_id: str, signature: _Signature, hook: Any) -> None:
    if hook is None and (unasked := [item.name for item in signature.inputs if item.lazy]):
        raise DefinitionError(
            node_id, f"input {unasked[0]!r} is lazy but nothing asks for it", "Add check_lazy, or drop Lazy()."
        )


def _camel_case(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.strip("_").split("_"))


def _body(node_id: str, made_from: Any) -> Callable[..., Any]:
    if inspect.isclass(made_from):
        run = getattr(made_from, "run", None)
        if run is None:
            raise DefinitionError(
                node_id, "the class has no `run` method", "Write the node's work as `def run(self, …)`."
            )
        if isinstance(inspect.getattr_static(made_from, "run"), staticmethod | classmethod):
            raise DefinitionError(
                node_id, "`run` is a static or class method", "Write `def run(self, …)`, or use a function instead."
            )
        return run  # type: ignore[no-any-return]
    if not callable(made_from):
        raise DefinitionError(node_id, "it is neither a function nor a class", "Put @node above a function or a class.")
    return made_from  # type: ignore[no-any-return]


def _read_signature(
    node_id: str, body: Callable[..., Any], made_from: Any, names: tuple[str, ...], tips: tuple[str, ...], returns: Any
) -> _Signature:
    import docstring_parser  # here, so that a program that defines no node does not pay for it

    hints = reading.read_hints(node_id, body)
    documentation = docstring_parser.parse(inspect.getdoc(made_from) or inspect.getdoc(body) or "")
    of_body = docstring_parser.parse(inspect.getdoc(body) or "")  # a class may leave the inputs to its `run`
    said = [*documentation.params, *of_body.params]
    tooltips = {item.arg_name: " ".join((item.description or "").split()) for item in said}
    inputs: list[Input] = []
    hidden: dict[str, Hidden] = {}
    lists: set[str] = set()
    shaped: dict[str, Shaped] = {}
    context: str | None = None
    parameters = list(inspect.signature(body).parameters.values())
    for parameter in parameters[1:] if inspect.isclass(made_from) else parameters:
        hint = _hint_of(node_id, parameter, hints)
        if reading.is_context(hint):
            context = parameter.name
        elif kind := reading.hidden_kind(hint):
            hidden[parameter.name] = kind
        else:
            annotation = reading.read_annotation(node_id, parameter.name, hint)
            inputs.append(reading.make_input(node_id, parameter, annotation, tooltips.get(parameter.name)))
            if annotation.is_list:
                lists.add(parameter.name)
            if marker := next((item for item in annotation.markers if isinstance(item, Shaped)), None):
                shaped[parameter.name] = marker
    _check_names(node_id, "the docstring's Args", tooltips, {p.name for p in parameters})
    outputs = reading.make_outputs(
        node_id, hints.get("return", MISSING) if returns is MISSING else returns, names, tips
    )
    description = "\n\n".join(filter(None, (documentation.short_description, documentation.long_description)))
    return _Signature(tuple(inputs), outputs, hidden, description, context, frozenset(lists), shaped)


def _hint_of(node_id: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise DefinitionError(
            node_id, f"parameter {parameter.name!r} can't become an input", "Name every input as an ordinary parameter."
        )
    if parameter.name not in hints:
        raise DefinitionError(
            node_id, f"parameter {parameter.name!r} has no annotation", f"Write `{parameter.name}: Image`, `: float` …"
        )
    return hints[parameter.name]


def _check_names(node_id: str, where: str, said: Iterable[str], known: Iterable[str]) -> None:
    if strangers := sorted(set(said) - set(known)):
        raise DefinitionError(
            node_id, f"{where} names {strangers[0]!r}, which is no input", f"Inputs are: {', '.join(sorted(known))}."
        )


def _runner(
    node_id: str, body: Callable[..., Any], signature: _Signature, is_class: bool
) -> Callable[[Any, dict[str, Any], Any], Any]:
    count, context_name, lists = len(signature.outputs), signature.context, signature.lists

    def unlisted(inputs: dict[str, Any]) -> dict[str, Any]:
        if not lists:
            return inputs
        # The engine hands every input as a list; those not declared as one hold a single value.
        return {k: v if k in lists or not isinstance(v, list) else v[0] for k, v in inputs.items()}

    def call(state: Any, inputs: dict[str, Any], context: Any) -> Any:
        for item in signature.inputs:
            if item.name in inputs:
                check(node_id, item, signature.shaped.get(item.name), inputs[item.name], is_list=item.name in lists)
        given = {**inputs, context_name: context} if context_name else inputs
        with told(inputs):
            return body(state, **given) if is_class else body(**given)

    @contextmanager
    def told(inputs: dict[str, Any]) -> Iterator[None]:
        try:
            yield
        except _COMPLAINTS as error:
            if (said := mismatch(node_id, signature.inputs, inputs, error)) is None:
                raise
            raise said from error

    async def settle(value: Any, inputs: dict[str, Any]) -> NodeResult:
        with told(inputs):
            value = await value
        return _result(node_id, value, count)

    def run(state: Any, inputs: dict[str, Any], context: Any) -> Any:
        inputs = unlisted(inputs)
        value = call(state, inputs, context)
        return settle(value, inputs) if inspect.isawaitable(value) else _result(node_id, value, count)

    async def run_async(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        inputs = unlisted(inputs)
        return await settle(call(state, inputs, context), inputs)

    # A coroutine function where the body is one, so that the engine knows before it calls it.
    return run_async if inspect.iscoroutinefunction(body) else run


def _result(node_id: str, value: Any, count: int) -> NodeResult:
    if isinstance(value, NodeResult):
        return value
    if count == 0:
        return NodeResult()
    if isinstance(value, Blocker):
        return NodeResult(outputs=(value,) * count)
    if count == 1:
        return NodeResult(outputs=(value,))
    if not isinstance(value, tuple | list) or len(value) != count:
        given = f"{len(value)} values" if isinstance(value, tuple | list) else f"one {type(value).__name__}"
        raise TypeError(f"node {node_id!r} returned {given} for its {count} outputs; return a tuple of {count}")
    return NodeResult(outputs=tuple(value))


def _lazy(hook: Callable[..., Any], is_class: bool) -> Callable[[Any, dict[str, Any]], Any]:
    names = _parameters(hook)

    def lazy(state: Any, inputs: dict[str, Any]) -> Any:
        said = {name: inputs.get(name) for name in names if name in inputs or name != "self"}
        return hook(state, **said) if is_class else hook(**said)

    return lazy


def _validation(node_id: str, hook: Callable[..., bool | str], known: frozenset[str]) -> Validation:
    names = _parameters(hook)
    _check_names(node_id, "validate", (n for n in names if n != "input_types"), known)
    return Validation(check=hook, names=frozenset(names) - {"input_types"}, wants_types="input_types" in names)


def _by_name(hook: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    names = _parameters(hook)
    return lambda inputs: hook(**{name: inputs.get(name) for name in names})


def _parameters(hook: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(hook).parameters if not re.fullmatch("self|cls", name))
