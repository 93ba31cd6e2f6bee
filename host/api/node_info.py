"""Descriptions of all nodes as prepared bytes: only nodes whose choices may change are described again."""

from __future__ import annotations

import hashlib
import logging
from threading import Lock

from host.api.answers import dumps
from host.engine.catalogue import Catalogue
from host.engine.object_info import describe
from host.engine.schemas import changes
from sdk.nodes import NodeType

logger = logging.getLogger(__name__)


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
        try:
            described = describe(self._catalogue.schema(node).node)
        except Exception as error:  # noqa: BLE001  calling a node: a pack's own code says what its inputs are
            logger.warning("node %s can't say what its inputs are and is left out: %s", node.true_id, error)
            return None
        entry = f"{dumps(node.id)}:{dumps(described)}".encode()
        if not changes(node):
            self._prepared[node.true_id] = node, entry
        return entry
