"""Cache keys: a Merkle hash of everything a node's result depends on, computed bottom-up in O(nodes + links).

A key covers the node's true id and pack version, its constants, the key and slot behind each link, its fingerprint
and the size and time of change of the files it reads. Node ids are no part of it, except where the node says that
its place matters. A node without a key is never cached, nor is anything that needs it.
"""

from __future__ import annotations

import json
import logging
import marshal
import math
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from host.engine.graph import GraphNode
from host.engine.services import file_stamp

if TYPE_CHECKING:
    from sdk.context import Folders

logger = logging.getLogger(__name__)

KEY_BYTES = 16
_STABLE_FORMAT = 2  # marshal's last format that writes equal values as equal bytes, whatever their reference counts
_SCALARS = frozenset({str, int, float, bool, type(None)})

Keys = dict[str, bytes | None]
HiddenValues = Callable[[GraphNode], Mapping[str, Any]]


class Keyring:
    """Makes the keys of one run's nodes, and of those its expansions add.

    Args:
        folders: resolves the names of files that nodes read.
        hidden: ``hidden(node)`` gives the values of its hidden inputs, for fingerprints.
    """

    def __init__(self, folders: Folders, hidden: HiddenValues) -> None:
        self._folders, self._hidden = folders, hidden
        self.keys: Keys = {}

    def add(self, nodes: Iterable[GraphNode]) -> Keys:
        """Compute the keys of nodes that come after all they are linked to; gives all keys so far."""
        keys = self.keys
        for node in nodes:
            keys[node.id] = self._key(node)
        return keys

    def _key(self, node: GraphNode) -> bytes | None:
        keys = self.keys
        schema = node.schema
        parts: list[Any] = [schema.identity]
        constants = node.constants
        for name in sorted(constants) if len(constants) > 1 else constants:
            value = constants[name]
            if type(value) not in _SCALARS:
                encoded = _encode(value)
                if encoded is None:
                    return None
                value = encoded
            parts += name, value
        for name, source, slot in sorted(node.links) if len(node.links) > 1 else node.links:
            upstream = keys.get(source)
            if upstream is None:
                return None
            parts += name, (upstream, slot)
        if not schema.static and not self._add_dynamic(node, parts):
            return None
        return blake2b(marshal.dumps(parts, _STABLE_FORMAT), digest_size=KEY_BYTES).digest()

    def _add_dynamic(self, node: GraphNode, parts: list[Any]) -> bool:
        """Append what must be asked for; False if the node's result is never to be reused."""
        schema = node.schema
        if not schema.stable:
            return False
        if schema.per_node:
            parts += "node", (node.id,)
        if schema.node.fingerprint is not None:
            value = _fingerprint(node, self._hidden(node))
            if value is None:
                return False
            parts += "fingerprint", (value,)
        for name in schema.node.reads:
            if any(name == linked for linked, _, _ in node.links):
                return False  # which file it is shows only during the run
            if name in node.constants:
                stamp = file_stamp(self._folders, schema.sources.get(name), str(node.constants[name]))
                if stamp is None:
                    return False
                parts += "file", stamp
        return True


def _fingerprint(node: GraphNode, hidden: Mapping[str, Any]) -> bytes | None:
    """What the node's own fingerprint says, encoded; None if it is NaN, can't be encoded, or raised."""
    schema = node.schema
    every = schema.more is not None
    values = {name: value for name, value in node.constants.items() if every or name in schema.rules}
    values.update({name: None for name, _, _ in node.links})
    values.update(hidden)
    if schema.takes_lists:
        values = {name: [value] for name, value in values.items()}
    assert schema.node.fingerprint is not None
    try:
        value = schema.node.fingerprint(values)
    except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; the node then simply runs
        logger.warning("the fingerprint of node %s (%s) raised, so it runs: %r", node.id, schema.node.true_id, error)
        return None
    if _holds_nan(value):
        return None
    encoded = _encode(value)
    if encoded is None:
        kind = type(value).__name__
        logger.warning("the fingerprint of node %s (%s) is a %s, not JSON; it runs", node.id, schema.node.true_id, kind)
    return encoded


def _holds_nan(value: Any) -> bool:
    """Whether a value is NaN, or a container with one inside: it equals nothing, not even itself."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, float) and math.isnan(part):
            return True
        if isinstance(part, dict | list | tuple) and id(part) not in seen:
            seen.add(id(part))
            waiting += part.values() if isinstance(part, dict) else part
    return False


def _encode(value: Any) -> bytes | None:
    """Equal bytes for equal JSON values; None for anything else, such as a tensor that an expansion passes on."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        return None
