"""Which nodes there are, under which names, and what they look like today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from host.engine.errors import DuplicateNode
from host.engine.schemas import Choices, Schema, changes, prepare
from sdk.nodes import NodeType

Import = Callable[[], None]
"""Imports the pack of nodes that are only described."""


def no_choices(source: str) -> Sequence[Any]:
    """The answer of a host that has no sources of choices.

    Raises:
        LookupError: always.
    """
    raise LookupError(f"this host has no choices under {source!r}")


class Catalogue:
    """The nodes of all packs. A bare id has one owner; every node also answers to ``pack/id``.

    One lock guards the tables. Iterating gives the nodes in the order in which they were added. Some nodes are only
    described: their pack is imported once somebody asks for one of them to be ``ready``.

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
        self._imports: dict[str, Import] = {}
        self._lock = Lock()

    def add(self, node: NodeType, bring: Import | None = None) -> None:
        """Offer a node under its id, its aliases and its true id.

        Args:
            bring: the node is only described, and this imports its pack: it calls ``replace_pack``, or raises
                PackUnavailable, each time anew, if that does not give the node.

        Raises:
            DuplicateNode: one of the names is taken; nothing is added.
        """
        with self._lock:
            names = self._names_of(node)
            for name in names:
                if owner := self._names.get(name):
                    claimed = (owner.pack, owner.pack_version), (node.pack, node.pack_version)
                    raise DuplicateNode(name, *claimed)
            self._nodes[node.true_id] = node
            self._names.update(dict.fromkeys(names, node))
            if bring is not None:
                self._imports.update(dict.fromkeys(names, bring))

    def _names_of(self, node: NodeType) -> list[str]:
        bare = [name for name in (node.id, *node.aliases) if self._owners.get(name, node.pack) == node.pack]
        return list(dict.fromkeys((node.true_id, *bare)))

    def replace_pack(self, pack: str, nodes: Iterable[NodeType]) -> None:
        """Put a pack's nodes, as its import gave them, in the place of those that were described.

        All were described, by these ids and aliases; they keep their places in the order. Those described that are not
        among them are forgotten.
        """
        with self._lock:
            new = {node.true_id: node for node in nodes}

            def kept(table: Mapping[str, NodeType]) -> dict[str, NodeType]:
                rows = ((name, new.get(node.true_id) if node.pack == pack else node) for name, node in table.items())
                return {name: node for name, node in rows if node is not None}

            self._nodes, self._names = kept(self._nodes), kept(self._names)
            self._fixed = {key: schema for key, schema in self._fixed.items() if schema.node.pack != pack}
            gone = {name for node in new.values() for name in self._names_of(node)}
            self._imports = {name: bring for name, bring in self._imports.items() if name not in gone}

    def remove_pack(self, pack: str) -> None:
        """Forget every node of a pack. Asking for a described one goes on to say why it is not there."""
        with self._lock:
            self._nodes = {key: node for key, node in self._nodes.items() if node.pack != pack}
            self._names = {name: node for name, node in self._names.items() if node.pack != pack}
            self._fixed = {key: schema for key, schema in self._fixed.items() if schema.node.pack != pack}

    def find(self, class_type: object) -> NodeType | None:
        """The node of that bare id, alias or true id; None for anything else."""
        return self._names.get(class_type) if isinstance(class_type, str) else None

    def name_of(self, node: NodeType) -> str:
        """What prompts call the node: its bare id, or its true id where the bare one belongs to another pack."""
        owner = self._names.get(node.id)
        return node.id if owner is not None and owner.pack == node.pack else node.true_id

    def describes(self, class_type: object) -> bool:
        """Whether the node of that name is only described, so that using it imports its pack."""
        return isinstance(class_type, str) and class_type in self._imports

    def ready(self, class_type: object) -> NodeType | None:
        """The same, ready to run: the pack of a node that was only described is imported.

        Raises:
            PackUnavailable: that failed.
        """
        if not isinstance(class_type, str):
            return None
        bring = self._imports.get(class_type)
        if bring is not None:
            bring()
        return self._names.get(class_type)

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
        self._shown: dict[str, NodeType] = {}

    def offers(self, class_type: object) -> NodeType | None:
        """The node of that name as it was registered, ready to run but not prepared.

        Raises:
            PackUnavailable: its pack can't be imported.
        """
        return self._catalogue.ready(class_type)

    def get(self, class_type: object) -> NodeType | None:
        """The node of that name as it looks now, with the lists of its choices; nothing is imported for it."""
        if not self._catalogue.describes(class_type):
            schema = self.find(class_type)
            return None if schema is None else schema.node
        assert isinstance(class_type, str)
        shown = self._shown.get(class_type)
        if shown is None and (node := self._catalogue.find(class_type)) is not None:
            shown = self._shown[class_type] = self._catalogue.schema(node).node
        return shown

    def find(self, class_type: object) -> Schema | None:
        """The schema of that bare id, alias or true id, ready to run; None if nobody offers it.

        Raises:
            PackUnavailable: its pack can't be imported.
            Exception: whatever ``refresh`` raises.
        """
        if not isinstance(class_type, str):
            return None
        schema = self._known.get(class_type)
        if schema is None:
            node = self._catalogue.ready(class_type)
            if node is None:
                return None
            schema = self._known[class_type] = self._catalogue.schema(node)
        return schema

    def __iter__(self) -> Iterator[Schema]:
        """Every node of the catalogue, prepared; nothing is imported for it."""
        for node in self._catalogue:
            yield self._known.get(node.true_id) or self._catalogue.schema(node)
