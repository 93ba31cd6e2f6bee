"""Checks one node of a prompt: constants are converted, links are typed, every fault is noted.

Works in two halves, because a node's own validation runs after everything it is linked to was checked: ``open_node``
and ``close_node``. Either may raise whatever a broken prompt or a pack's code raises; the caller makes it a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from host.engine.catalogue import Schemas
from host.engine.graph import GraphNode, Link, is_link
from host.engine.schemas import InputRule, Schema
from host.engine.services import file_stamp
from host.engine.validation import faults
from sdk.markers import Hidden
from sdk.nodes import Blocker, Validation
from sdk.sockets import fits

if TYPE_CHECKING:
    from sdk.context import Folders


class Visit:
    """A node while it is being checked.

    Attributes:
        constants: converted values by input name.
        links: links so far, in the order in which they are followed.
        faults: what is wrong with this node itself.
        valid: neither this node nor anything it needs is at fault, as far as is known.
        followed: how many of the links have been followed.
        changed: some constant was converted or unwrapped.
    """

    __slots__ = (
        *("changed", "class_type", "constants", "faults", "followed", "id", "inputs", "links", "schema", "types"),
        "valid",
    )

    def __init__(self, node_id: str) -> None:
        self.id = node_id
        self.class_type = ""
        self.inputs: Mapping[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self.links: list[Link] = []
        self.faults: list[faults.Fault] = []
        self.types: dict[str, str] = {}
        self.schema: Schema
        self.valid = True
        self.followed = 0
        self.changed = False

    def node(self) -> GraphNode:
        """The node as it will run."""
        return GraphNode(self.id, self.class_type, self.schema, self.constants, tuple(self.links), self.inputs)

    def converted(self) -> dict[str, Any]:
        """The inputs as in the prompt, with constants as they were converted."""
        return {**self.inputs, **self.constants}


def open_node(visit: Visit, prompt: Mapping[str, Any], schemas: Schemas) -> None:
    """Read a node's inputs: fills in constants, links and the faults that need no other node's check."""
    entry = prompt[visit.id]
    visit.class_type = entry["class_type"]
    schema = schemas.find(visit.class_type)
    assert schema is not None, "the caller has looked at every class already"
    visit.schema = schema
    inputs = entry["inputs"]
    if inputs is None:
        raise TypeError("argument of type 'NoneType' is not iterable")
    visit.inputs = inputs if isinstance(inputs, Mapping) else {}
    rules = schema.rules
    for name, value in visit.inputs.items():
        rule = rules.get(name) or schema.rule(name)
        if rule is None:
            _read_undeclared(visit, name, value, prompt)
        elif isinstance(value, list):
            _read_link(visit, rule, value, prompt, schemas)
        else:
            _read_constant(visit, rule, value)
    visit.faults += [faults.missing(rule) for rule in schema.required if rule.name not in visit.inputs]


def _read_link(visit: Visit, rule: InputRule, value: list[Any], prompt: Mapping[str, Any], schemas: Schemas) -> None:
    if len(value) != 2:
        visit.faults.append(faults.bad_link(rule, value))
        return
    source, slot = value
    linked = schemas.find(prompt[source]["class_type"])
    assert linked is not None, "the caller has looked at every class already"
    received = linked.output_types[slot]
    visit.types[rule.name] = received
    if received != rule.wanted and not visit.schema.wants_types and not fits(received, _wanted(rule)):
        visit.faults.append(faults.mismatch(rule, received, value))
        return
    visit.links.append((rule.name, source, slot))


def _wanted(rule: InputRule) -> str:
    """The socket type to compare with; a list of choices fits nothing but an equal list or a wildcard."""
    wanted = rule.wanted
    return wanted if isinstance(wanted, str) else "COMBO"


def _read_constant(visit: Visit, rule: InputRule, value: Any) -> None:
    given = value
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    convert = rule.convert
    if convert is not None and type(value) is not convert:
        try:
            value = convert(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            visit.faults.append(faults.unconvertible(rule, value, error))
            return
    if value is not given:
        visit.changed = True
    visit.constants[rule.name] = value
    # Written so that NaN, which compares with nothing, is out of every range.
    if rule.minimum is not None and not value >= rule.minimum:
        visit.faults.append(faults.too_small(rule, value))
    elif rule.maximum is not None and not value <= rule.maximum:
        visit.faults.append(faults.too_big(rule, value))
    elif rule.choices is not None and value not in rule.choices:
        visit.faults.append(faults.not_listed(rule, value, rule.choices))


def _read_undeclared(visit: Visit, name: str, value: Any, prompt: Mapping[str, Any]) -> None:
    """An input the class does not declare: a constant is part of the cache key, a link is followed and handed over."""
    if not is_link(value):
        visit.constants[name] = value
        return
    if value[0] not in prompt:
        raise KeyError(value[0])
    visit.links.append((name, value[0], value[1]))


def close_node(visit: Visit, folders: Folders | None) -> None:
    """Run the node's own validation, if it has one, and look whether the files it reads are there."""
    node = visit.schema.node
    if node.validation is not None:
        _ask_node(visit, node.validation)
    if folders is not None and node.reads and not visit.faults:
        _find_files(visit, folders)


def _find_files(visit: Visit, folders: Folders) -> None:
    """A file that no list of choices vouches for must be there."""
    for name in visit.schema.node.reads:
        value = visit.constants.get(name)
        if isinstance(value, str) and visit.schema.rules[name].choices is None:
            source = visit.schema.sources.get(name)
            if file_stamp(folders, source, value) is None:
                kind = (source or "").partition(":")[2].partition(":")[0]
                visit.faults.append(faults.refused(name, f"Invalid {kind} file: {value}".replace("  ", " ")))


def _ask_node(visit: Visit, validation: Validation) -> None:
    values = _values(visit)
    if not visit.schema.checks_all:
        names = validation.names or frozenset()
        values = {name: value for name, value in values.items() if name in names}
    if validation.wants_types:
        values["input_types"] = visit.types
    if not values:
        return
    answer = validation.check(**values)
    if answer is not True and not isinstance(answer, Blocker):
        visit.faults += [faults.refused(name, answer) for name in values]


def _values(visit: Visit) -> dict[str, Any]:
    """What is known of the inputs before a run: constants, and None for links."""
    rules = visit.schema.rules
    values: dict[str, Any] = {}
    for name, value in visit.inputs.items():
        if is_link(value):
            values[name] = None
        elif name in rules or visit.schema.more is not None:
            values[name] = visit.constants.get(name, value)
    for name, kind in visit.schema.hidden:
        values[name] = visit.id if kind == Hidden.UNIQUE_ID else {} if kind == Hidden.PROMPT else None
    if visit.schema.takes_lists:
        return {name: [value] for name, value in values.items()}
    return values
