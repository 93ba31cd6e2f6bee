"""The results of one run, each dropped after its last reader; what the cache has is read from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from host.engine.caching.cache import ResultCache
from host.engine.graph import GraphNode
from host.engine.keys import Keys
from host.engine.mapping import Outputs


class Results:
    """What nodes gave, for the nodes that still have to read it.

    A result may be gone although somebody wants it: the cache forgot it, or a node of an expansion reads what nobody
    was known to read. ``read`` then gives None, and the node has to run again.
    """

    def __init__(self, keys: Keys, cache: ResultCache) -> None:
        self._keys, self._cache = keys, cache
        self._held: dict[str, Outputs] = {}
        self._readers: dict[str, int] = {}
        self._has_read: set[str] = set()

    def expect(self, sources: Iterable[str]) -> None:
        """One more reading of each of these is to come."""
        readers = self._readers
        for source in sources:
            readers[source] = readers.get(source, 0) + 1

    def expect_readers(self, nodes: Mapping[str, GraphNode]) -> None:
        """Every link of these nodes will be read."""
        readers = self._readers
        for node in nodes.values():
            for _, source, _ in node.links:
                readers[source] = readers.get(source, 0) + 1

    def available(self, node_id: str) -> bool:
        """Whether ``read`` would answer."""
        if node_id in self._held:
            return True
        key = self._keys.get(node_id)
        return key is not None and self._cache.has(key)

    def read(self, node_id: str) -> Outputs | None:
        """A node's outputs, if they are there."""
        outputs = self._held.get(node_id)
        if outputs is None:
            key = self._keys.get(node_id)
            stored = None if key is None else self._cache.get(key)
            if stored is None:
                return None
            outputs = stored.outputs
            self.hold(node_id, outputs)
        return outputs

    def hold(self, node_id: str, outputs: Outputs) -> None:
        """Keep outputs for the readings still to come, if any."""
        if self._readers.get(node_id):
            self._held[node_id] = outputs

    def expect_again(self, node: GraphNode) -> None:
        """The node is to run; if it has read its inputs before, it will read them once more."""
        if node.id in self._has_read:
            self._has_read.discard(node.id)
            self.expect(source for _, source, _ in node.links)

    def release_inputs(self, node: GraphNode) -> None:
        """The node has its result: it reads nothing any more."""
        self._has_read.add(node.id)
        self.release([source for _, source, _ in node.links])

    def release(self, sources: Iterable[str]) -> None:
        """One reading of each of these is over, or won't take place."""
        readers = self._readers
        for source in sources:
            left = readers[source] - 1
            readers[source] = left
            if left <= 0:
                self._held.pop(source, None)
