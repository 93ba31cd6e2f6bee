"""Which nodes there are, under which names, and what they look like today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from host.engine.errors import DuplicateNode
from host.engine.schemas import Choices, Schema, changes, prepare
from sdk.nodes import NodeType


def no_choices(source: str) -> Sequence[Any]:
    """The answer of a host that has no sources of choices.

    Raises:
        LookupError: always.
    """
    raise LookupError(f"this host has no choices under {source!r}")


class Catalogue:
    """The nodes of all packs. A bare id has one owner; every node also answers to ``pack/id``.

    One lock guards the tables. Iterating gives the nodes in the order in which they were added.

    Args:
        choices: gives what an input's source of choices offers, such as ``folder:checkpoints`` or ``samplers``.
        owners: packs that own a bare id which others claim too, as it was decided when they were installed.
    """

    def __init__(self, choices: Choices = no_choices, owners: Mapping[str, str] | None = None) -> None:
        self._choices = choices
        self._owners = dict(owners or {})
        self._nodes: dict[str, NodeType] = {}
        self._names: dict[str, NodeType] = {}
        self._fixed: dict[str, Schema] = {}
        self._lock = Lock()

    def add(self, node: NodeType) -> None:
        """Offer a node under its id, its aliases and its true id.

        Raises:
            DuplicateNode: one of the names is taken; nothing is added.
        """
        with self._lock:
            bare = [name for name in (node.id, *node.aliases) if self._owners.get(name, node.pack) == node.pack]
            names = dict.fromkeys((node.true_id, *bare))
            for name in names:
                if owner := self._names.get(name):
                    claimed = (owner.pack, owner.pack_version), (node.pack, node.pack_version)
                    raise DuplicateNode(name, *claimed)
            self._nodes[node.true_id] = node
            self._names.update(dict.fromkeys(names, node))

    def remove_pack(self, pack: str) -> None:
        """Forget every node of a pack."""
        with self._lock:
            self._nodes = {key: node for key, node in self._nodes.items() if node.pack != pack}
            self._names = {name: node for name, node in self._names.items() if node.pack != pack}
            self._fixed = {key: schema for key, schema in self._fixed.items() if schema.node.pack != pack}

    def find(self, class_type: object) -> NodeType | None:
        """The node of that bare id, alias or true id; None for anything else."""
        return self._names.get(class_type) if isinstance(class_type, str) else None

    def __iter__(self) -> Iterator[NodeType]:
        return iter(tuple(self._nodes.values()))

    def __len__(self) -> int:
        return len(self._nodes)

    def current(self) -> Schemas:
        """The nodes as they are now, for one prompt."""
        return Schemas(self)

    def schema(self, node: NodeType) -> Schema:
        """A node's schema as it is now; nodes that never change are prepared once."""
        if changes(node):
            return prepare(node, self._choices)
        schema = self._fixed.get(node.true_id)
        if schema is None or schema.node is not node:
            schema = self._fixed[node.true_id] = prepare(node, self._choices)
        return schema


class Schemas:
    """What nodes look like during one prompt: each class is prepared once, when it is first asked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[str, Schema] = {}

    def offers(self, class_type: object) -> NodeType | None:
        """The node of that name as it was registered, without preparing it."""
        return self._catalogue.find(class_type)

    def get(self, class_type: object) -> NodeType | None:
        """The node of that name as it is now, with the lists of its choices."""
        schema = self.find(class_type)
        return None if schema is None else schema.node

    def find(self, class_type: object) -> Schema | None:
        """The schema of that bare id, alias or true id; None if nobody offers it. Raises what ``refresh`` raises."""
        if not isinstance(class_type, str):
            return None
        schema = self._known.get(class_type)
        if schema is None:
            node = self._catalogue.find(class_type)
            if node is None:
                return None
            schema = self._known[class_type] = self._catalogue.schema(node)
        return schema

    def __iter__(self) -> Iterator[Schema]:
        """Every node of the catalogue, prepared."""
        for node in self._catalogue:
            schema = self.find(node.true_id)
            if schema is not None:
                yield schema
