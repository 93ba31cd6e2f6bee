"""Where a node comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The pack of a node, for messages, and the module that clients are told."""

    pack: str
    python_module: str

    def describe(self, node_id: str) -> str:
        """Pack and node, as messages name them."""
        return f"pack {self.pack!r}, node {node_id!r}"
