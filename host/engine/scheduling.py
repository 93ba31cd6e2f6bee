"""Which node runs next: the nodes still to run, what each waits for, and an order among those that are ready.

Nodes become pending when something needs them, starting from outputs. Among ready nodes, outputs and asynchronous
nodes go first, then nodes that bring an output closest, then those that became pending first; so results appear early.
O((nodes + links) log nodes) in all, never recursive.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from host.engine.errors import DependencyCycle
from host.engine.graph import GraphNode

_FAR = 3
"""Distance to an output, in links, beyond which nodes are not told apart."""


class Schedule:
    """The pending nodes of one run.

    Args:
        nodes: the graph; it may grow while the run goes on.
        available: whether a node's result can be read without running it.
        wanted: told of every node that becomes pending, which may happen to a node again whose result got lost.
    """

    def __init__(
        self,
        nodes: Mapping[str, GraphNode],
        available: Callable[[str], bool],
        wanted: Callable[[GraphNode], None] = lambda node: None,
    ) -> None:
        self._nodes, self._available, self._wanted = nodes, available, wanted
        self._pending: dict[str, int] = {}
        self._blockers: dict[str, int] = {}
        self._waiting: dict[str, list[str]] = {}
        self._distance: dict[str, int] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._taken: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        """How many nodes are pending, those under way included."""
        return len(self._pending)

    def add(self, node_id: str) -> None:
        """Make a node pending, and everything it needs that is not available."""
        if node_id in self._pending:
            return
        found: list[str] = []
        links: list[tuple[str, str]] = []
        stack = [node_id]
        nodes, pending, available = self._nodes, self._pending, self._available
        while stack:
            node_id = stack.pop()
            if node_id in pending:
                continue
            node = nodes[node_id]
            pending[node_id] = self._count
            self._count += 1
            self._blockers[node_id] = 0
            self._distance[node_id] = 0 if node.schema.output_node else _FAR
            found.append(node_id)
            self._wanted(node)
            lazy = node.schema.lazy
            for name, source, _ in node.links:
                if name not in lazy and not available(source):
                    stack.append(source)
                    links.append((source, node_id))
        for source, reader in links:
            self._link(source, reader)
        for node_id in found:
            if not self._blockers[node_id]:
                self._push(node_id)

    def pop(self) -> str | None:
        """The next node to run, now taken; None while nothing is ready."""
        while self._queue:
            _, _, node_id = heapq.heappop(self._queue)
            if node_id in self._pending and node_id not in self._taken and not self._blockers[node_id]:
                self._taken.add(node_id)
                return node_id
        return None

    @property
    def has_ready(self) -> bool:
        """Whether some node could run beside the one taken last (rarely true although none can)."""
        return bool(self._queue)

    def wait_for(self, reader: str, source: str) -> None:
        """Let a taken node wait for one more; ``put_back`` follows."""
        self.add(source)
        self._link(source, reader)

    def put_back(self, node_id: str) -> None:
        """The taken node can't finish yet: it comes again when nothing blocks it."""
        self._taken.discard(node_id)
        if not self._blockers[node_id]:
            self._push(node_id)

    def complete(self, node_id: str) -> None:
        """The node's result is there; whoever waited for nothing else becomes ready."""
        del self._pending[node_id]
        self._taken.discard(node_id)
        blockers = self._blockers
        del blockers[node_id]
        for reader in self._waiting.pop(node_id, ()):
            blockers[reader] -= 1
            if not blockers[reader] and reader not in self._taken:
                self._push(reader)

    def cycle(self) -> DependencyCycle:
        """Why nothing is ready although nodes are pending."""
        sources: dict[str, str] = {}
        for source, waiting in self._waiting.items():
            for reader in waiting:
                sources.setdefault(reader, source)
        path: dict[str, None] = {}
        node_id = next(iter(self._pending))
        while node_id not in path:
            path[node_id] = None
            node_id = sources[node_id]
        ids = list(path)
        return DependencyCycle(ids[ids.index(node_id) :])

    def _link(self, source: str, reader: str) -> None:
        self._waiting.setdefault(source, []).append(reader)
        self._blockers[reader] += 1
        distance = self._distance[reader] + 1
        if distance < _FAR and distance < self._distance[source]:
            self._come_closer(source, distance)

    def _come_closer(self, node_id: str, distance: int) -> None:
        """Lower a node's distance to an output, and that of what it waits for. At most twice per node."""
        improved = [(node_id, distance)]
        while improved:
            node_id, distance = improved.pop()
            if node_id not in self._pending or self._distance[node_id] <= distance:
                continue
            self._distance[node_id] = distance
            if not self._blockers[node_id] and node_id not in self._taken:
                self._push(node_id)
            if distance + 1 < _FAR:
                improved += [(source, distance + 1) for _, source, _ in self._nodes[node_id].links]

    def _push(self, node_id: str) -> None:
        rank = 0 if self._nodes[node_id].schema.has_async else self._distance[node_id]
        heapq.heappush(self._queue, (rank, self._pending[node_id], node_id))
