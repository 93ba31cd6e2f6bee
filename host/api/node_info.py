"""Descriptions of all nodes as prepared bytes: only nodes whose choices may change are described again."""

from __future__ import annotations

import hashlib
from threading import Lock

from host.api.answers import dumps
from host.engine.catalogue import Catalogue
from host.engine.current_entry import current_entry
from host.engine.schemas import changes
from host.packs import CORE
from sdk.nodes import NodeType

PACKS = "custom_nodes."


class NodeInfo:
    """What ``/object_info`` answers. Safe between threads; one lock guards the prepared bytes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._prepared: dict[str, tuple[NodeType, bytes]] = {}
        self._lock = Lock()

    def everything(self) -> tuple[bytes, str]:
        """The entries of all nodes as a JSON object, and a tag that changes with them."""
        with self._lock:
            entries = [entry for node in self._catalogue if (entry := self._entry(node)) is not None]
        content = b"{" + b",".join(entries) + b"}"
        return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    def one(self, class_type: str) -> bytes:
        """The entry of that bare id, alias or true id in a JSON object; an empty one if nobody offers it."""
        node = self._catalogue.find(class_type)
        with self._lock:
            entry = None if node is None else self._entry(node)
        return b"{" + (entry or b"") + b"}"

    def _entry(self, node: NodeType) -> bytes | None:
        known = self._prepared.get(node.true_id)
        if known is not None and known[0] is node:
            return known[1]
        described = current_entry(self._catalogue, node)
        if described is None:
            return None
        name = self._catalogue.name_of(node)
        described |= {"name": name, "python_module": _module(node)}
        entry = f"{dumps(name)}:{dumps(described)}".encode()
        if not changes(node):
            self._prepared[node.true_id] = node, entry
        return entry


def _module(node: NodeType) -> str:
    """The module that clients are told: by its first word they know what belongs to the host and what to a pack."""
    if node.pack == CORE:
        return "nodes"
    return node.python_module if node.python_module.startswith(PACKS) else f"{PACKS}{node.pack}"
