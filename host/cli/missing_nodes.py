"""Node classes that a workflow uses and no loaded pack has: where they may come from, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from host.errors import HostError
from host.pack_failures import PackFailure
from host.plugins import PackRegistry
from sdk.commands import ExitCode

SHOWN = 10


class UnknownNodes(HostError):
    """A workflow uses node classes that no loaded pack has.

    Attributes:
        nodes: ids of the nodes by class.
        packs: the packs that the workflow's editor noted for these classes.
        close: names of nodes that are spelled nearly the same, by class.
        failures: packs that could not be loaded, which may have them.
    """

    exit_code = ExitCode.PROMPT_REJECTED

    def __init__(
        self,
        nodes: Mapping[str, Sequence[str]],
        packs: Mapping[str, str],
        close: Mapping[str, Sequence[str]],
        failures: Sequence[PackFailure],
    ) -> None:
        super().__init__(nodes, packs, close, failures)
        self.nodes, self.packs, self.close, self.failures = nodes, packs, close, failures

    def __str__(self) -> str:
        lines = [self._line(kind, ids) for kind, ids in self.nodes.items()]
        lines += [
            f"pack {failure.pack} could not be loaded and may have them: {failure.error} {failure.hint}"
            for failure in self.failures
        ]
        lines.append("Install the packs that have them, or give a pack's folder with --pack-dir.")
        return "\n".join(("the workflow uses nodes that no loaded pack has", *(f"  {line}" for line in lines)))

    def _line(self, kind: str, ids: Sequence[str]) -> str:
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        line = f"node {', '.join(ids[:SHOWN])}{more}: {kind!r}"
        if pack := self.packs.get(kind):
            line += f", which the workflow says comes from pack {pack}"
        elif close := self.close.get(kind):
            line += f"; did you mean {' or '.join(close)}?"
        return line

    def as_json(self) -> dict[str, Any]:
        return {
            **super().as_json(),
            "nodes": {kind: list(ids) for kind, ids in self.nodes.items()},
            "packs": dict(self.packs),
            "failed_packs": [failure.pack for failure in self.failures],
        }


def check_nodes_known(prompt: Mapping[str, Any], registry: PackRegistry, drawn: object) -> None:
    """Raise UnknownNodes if a prompt in API format uses any; ``drawn`` is the graph as an editor saved it, if known."""
    unknown: dict[str, list[str]] = {}
    for node_id, node in prompt.items():
        kind = node.get("class_type") if isinstance(node, Mapping) else None
        if isinstance(kind, str) and registry.catalogue.find(kind) is None:
            unknown.setdefault(kind, []).append(node_id)
    if unknown:
        raise unknown_nodes(unknown, registry, drawn)


def unknown_nodes(nodes: Mapping[str, Sequence[str]], registry: PackRegistry, drawn: object) -> UnknownNodes:
    """The error about these classes, with all that is known of them."""
    known = [node.id for node in registry.catalogue]
    close = {kind: get_close_matches(kind, known, n=3) for kind in nodes}
    noted = {kind: pack for kind, pack in _noted_packs(drawn) if kind in nodes}
    return UnknownNodes(nodes, noted, close, registry.failures)


def _noted_packs(drawn: object) -> Iterator[tuple[str, str]]:
    """Classes with the pack, and its version, that the editor noted in a drawn node's properties."""
    for node in _drawn_nodes(drawn):
        properties = node.get("properties")
        if isinstance(properties, Mapping) and isinstance(node.get("type"), str):
            pack = properties.get("cnr_id") or properties.get("aux_id")
            if isinstance(pack, str):
                yield node["type"], f"{pack} {properties.get('ver', '')}".strip()


def _drawn_nodes(drawn: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(drawn, Mapping):
        return
    definitions = drawn.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    for graph in (drawn, *_mappings(subgraphs)):
        yield from _mappings(graph.get("nodes"))


def _mappings(items: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
