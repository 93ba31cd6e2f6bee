"""What in an archive itself is against publishing it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from registry_server.errors import BadRequest
from registry_server.nodes.service import check_node_id
from registry_server.scanning.examined import Examined
from sdk.inspection import NodeFacts
from sdk.manifest import PackManifest

LONGEST_DESCRIPTION = 1000
LONGEST_TEXT = 2000
LONGEST_LICENCE = 20_000
LONGEST_VERSION = 100
MOST_NODES = 5000
MOST_ENTRIES = 1000
"""Of one list in the manifest. All lists are in the index, which every client reads."""
_TEXTS = ("display_name", "icon", "banner", "repository", "requires_comfyui", "requires_frontend", "requires_python",
          "host_api")  # fmt: skip
_LISTS = ("dependencies", "packs", "systems", "accelerators", "permissions")


def objections(examined: Examined) -> Iterator[str]:
    """Everything that is against publishing an archive, one clause each."""
    yield from _of_manifest(examined.manifest)
    if len(examined.dependencies) > MOST_ENTRIES:
        yield f"there are more than {MOST_ENTRIES} requirements"
    if len(examined.nodes) > MOST_NODES:
        yield f"the pack has more than {MOST_NODES} nodes"
    for node in examined.nodes:
        yield from _of_node(node)
    for finding in examined.findings:
        if finding.refused:
            yield f"{finding.file}:{finding.line}: {finding.id} {finding.message}"


def _of_manifest(manifest: PackManifest) -> Iterator[str]:
    if len(manifest.version) > LONGEST_VERSION:
        yield f"project.version has more than {LONGEST_VERSION} characters"
    if len(manifest.description) > LONGEST_DESCRIPTION:
        yield f"project.description has more than {LONGEST_DESCRIPTION} characters"
    if sum(map(len, manifest.license.values())) > LONGEST_LICENCE:
        yield "project.license has too long a text; name the licence, and put its text into a file"
    for name in _TEXTS:
        if len(getattr(manifest, name)) > LONGEST_TEXT:
            yield f"{name} has more than {LONGEST_TEXT} characters"
    for name in _LISTS:
        entries: tuple[str, ...] = getattr(manifest, name)
        if len(entries) > MOST_ENTRIES or any(len(entry) > LONGEST_TEXT for entry in entries):
            yield f"{name} has more than {MOST_ENTRIES} entries, or one of more than {LONGEST_TEXT} characters"
    for name in ("description", "license", *_TEXTS, *_LISTS):
        if not _is_text(getattr(manifest, name)):
            yield f"{name} holds characters that are no text"


def _of_node(node: NodeFacts) -> Iterator[str]:
    try:
        check_node_id(node.id)
    except BadRequest as error:
        yield str(error)
    texts = {"title": node.title, "category": node.category, "deprecation": node.deprecated}
    for name, text in texts.items():
        if len(text) > LONGEST_TEXT:
            yield f"the {name} of node {node.id[:80]!r} has more than {LONGEST_TEXT} characters"
    said = [*texts.values(), node.description, list(node.aliases)]
    if not _is_text(said) or not _is_storable(node.schema):
        yield f"the texts of node {node.id[:80]!r} hold characters that are no text"


def _is_text(value: Any) -> bool:
    """Whether no text in it holds NUL or half a character, which databases refuse."""
    return _is_storable(value) and "\\u0000" not in json.dumps(value, default=dict)


def _is_storable(value: Any) -> bool:
    try:
        json.dumps(value, default=dict, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
