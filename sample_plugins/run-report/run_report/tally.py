"""What one job has done so far. Pure: no files, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAMES_LIMIT = 1000
"""The most node ids that a list in a report shows."""


@dataclass
class Tally:
    """Counts for the last line of a report."""

    started: set[str] = field(default_factory=set)
    ran: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    models_loaded: int = 0
    bytes_loaded: int = 0
    bytes_evicted: int = 0

    def summary(self, prompt: Mapping[str, Any], outputs: Iterable[str]) -> dict[str, Any]:
        """The counts, and what became of the nodes that did not run."""
        needed = needed_by(prompt, outputs)
        idle = set(prompt) - self.ran - self.failed - self.started
        return {
            "failed": bool(self.failed),
            "nodes_run": len(self.ran),
            "nodes_unfinished": _listed(self.started),
            "nodes_reused": _listed(idle & needed),
            "nodes_unneeded": _listed(idle - needed),
            "models_loaded": self.models_loaded,
            "bytes_loaded": self.bytes_loaded,
            "bytes_evicted": self.bytes_evicted,
        }


def needed_by(prompt: Mapping[str, Any], outputs: Iterable[str]) -> set[str]:
    """The nodes of a prompt in API format from which a link path leads to one of the outputs, and the outputs."""
    found: set[str] = set()
    waiting = [node_id for node_id in outputs if node_id in prompt]
    while waiting:
        node_id = waiting.pop()
        if node_id not in found:
            found.add(node_id)
            waiting += [source for source in _sources(prompt[node_id]) if source in prompt]
    return found


def _sources(entry: Mapping[str, Any]) -> list[str]:
    links = (value for value in entry.get("inputs", {}).values() if isinstance(value, list) and len(value) == 2)
    return [source for source, _ in links if isinstance(source, str)]


def _listed(names: Iterable[str]) -> list[str]:
    return sorted(names)[:NAMES_LIMIT]
