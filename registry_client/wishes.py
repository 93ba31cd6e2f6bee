"""What a workflow needs: which packs have the nodes that it uses, and are not there yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from registry_client.embedded_texts import read_embedded
from registry_client.errors import Ambiguous, BadRequirement, NotThere, UnreadableFile
from registry_client.index.protocol import Catalogue
from registry_client.requirements import Wanted
from sdk.commands import ExitCode
from sdk.registry import fold

# These are drawn, but are no nodes of any pack.
_EDITOR_ONLY = frozenset({"Note", "MarkdownNote", "Reroute", "PrimitiveNode"})


class UnreadableWorkflow(BadRequirement):
    """A file holds no workflow."""

    exit_code = ExitCode.WORKFLOW_UNREADABLE


@dataclass(frozen=True)
class Uses:
    """A node class that a workflow uses, with the pack and version that its editor noted, "" where it did not."""

    node: str
    pack: str = ""
    version: str = ""


def read_uses(path: Path) -> list[Uses]:
    """The node classes that a workflow uses: JSON in either format, or a PNG that it is embedded in.

    Raises:
        UnreadableWorkflow: there is none in it.
    """
    try:
        embedded = read_embedded(path, "prompt", "workflow")
    except UnreadableFile as error:
        raise UnreadableWorkflow(str(error)) from error
    found: dict[str, Uses] = {}
    for text in embedded.texts:
        for use in _uses(_parse(text)):
            if use.node not in found or not found[use.node].pack:
                found[use.node] = use
    if not found:
        raise UnreadableWorkflow(f"{path} holds no workflow with nodes.{embedded.damage}")
    return list(found.values())


def packs_for(
    uses: Iterable[Uses], have: Iterable[str], index: Catalogue, choose: Iterable[str] = ()
) -> dict[str, Wanted]:
    """The packs to install, by folded id.

    Args:
        have: names of nodes that are there already.
        choose: packs that the user picked.

    Raises:
        Ambiguous: several packs provide a node, and nothing says which is meant.
        NotThere: no pack provides a node.
    """
    known, chosen = set(have), {fold(name) for name in choose}
    wanted: dict[str, Wanted] = {}
    unclear: dict[str, list[str]] = {}
    missing: list[str] = []
    for use in uses:
        if use.node in known or use.node in _EDITOR_ONLY:
            continue
        offers = {fold(listing.pack.id): listing.pack for listing in index.providers(use.node)}
        noted = fold(use.pack) if use.pack else ""
        picked = [folded for folded in offers if folded in chosen] or [folded for folded in offers if folded == noted]
        named = picked or ([folded for folded in offers if folded in wanted] if len(offers) > 1 else list(offers))
        if len(named) == 1:
            pack = offers[named[0]]
            wanted.setdefault(named[0], Wanted(pack.id, _range(use.version if named[0] == noted else "")))
        elif offers:
            unclear[use.node] = sorted(pack.id for pack in offers.values())
        else:
            missing.append(use.node)
    if missing:
        raise NotThere(f"no pack provides: {', '.join(map(repr, missing))}.", nodes=missing)
    if unclear:
        raise Ambiguous(unclear)
    return wanted


def _range(version: str) -> SpecifierSet:
    """At least the version that the workflow was made with, and no other main version."""
    try:
        return SpecifierSet(f">={version},<{Version(version).major + 1}" if version else "")
    except ValueError:
        return SpecifierSet()


def _uses(data: Any) -> Iterator[Uses]:
    if not isinstance(data, Mapping):
        return
    if isinstance(data.get("nodes"), list):
        yield from _drawn(data)
        return
    for node in data.values():
        if isinstance(node, Mapping) and isinstance(node.get("class_type"), str):
            yield Uses(node["class_type"])


def _drawn(graph: Mapping[str, Any]) -> Iterator[Uses]:
    definitions = graph.get("definitions")
    subgraphs = definitions.get("subgraphs", []) if isinstance(definitions, Mapping) else []
    subgraphs = [item for item in subgraphs if isinstance(item, Mapping)]
    inner = {item.get("id") for item in subgraphs}
    for drawn in (graph, *subgraphs):
        for node in drawn.get("nodes") or ():
            if isinstance(node, Mapping) and isinstance(node.get("type"), str) and node["type"] not in inner:
                properties = node.get("properties")
                noted = properties if isinstance(properties, Mapping) else {}
                pack, version = noted.get("cnr_id"), noted.get("ver")
                known = isinstance(pack, str) and pack != "comfy-core"
                said = str(version) if known and isinstance(version, str) else ""
                yield Uses(node["type"], str(pack) if known else "", said)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
