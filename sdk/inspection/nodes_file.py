"""``nodes.json``: a pack's nodes as data, so that a host knows them without importing the pack.

``docs/nodes_json.md`` describes the format for others who read or write it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sdk.inspection.facts import Inspection, NodeFacts
from sdk.inspection.hook_names import hooks_used
from sdk.inspection.packs import inspect_pack
from sdk.manifest import PackManifest, read_manifest

FORMAT = 1
_READ = (".py", ".toml", ".json", ".txt")


def render(folder: Path, files: Mapping[str, Path] | None = None) -> bytes:
    """The file for the pack in a folder.

    It depends on the pack's files alone, not on the folder's name or on other files in it.

    Args:
        files: the pack's files by relative name; by default all in the folder.

    Raises:
        ManifestError: the manifest is missing or faulty.
        OSError: a file can't be read.
    """
    manifest = read_manifest(folder)
    if files is None:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as place:
        staged = Path(place) / manifest.name
        for name, path in files.items():
            if name.endswith(_READ):
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staged / name)
        inspection = inspect_pack(staged)
    document = describe_pack(manifest, inspection, sources_digest(files), hooks_used(manifest, files))
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1).encode() + b"\n"


def describe_pack(
    manifest: PackManifest, inspection: Inspection, sources: str, hooks: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The document as plain values; ``hooks`` as ``hooks_used`` gives them."""
    return {
        "format": FORMAT,
        "pack": manifest.name,
        "version": manifest.version,
        "sdk": _sdk_version(),
        "kind": inspection.kind,
        "sources": sources,
        "hooks": None if hooks is None else list(hooks),
        "complete": not inspection.unread,
        "unread": [{"file": item.file, "line": item.line, "reason": item.reason} for item in inspection.unread],
        "nodes": {node.id: _node(manifest.name, node) for node in inspection.nodes},
    }


def _node(pack: str, node: NodeFacts) -> dict[str, Any]:
    return {
        "true_id": f"{pack}/{node.id}",
        "title": node.title,
        "aliases": list(node.aliases),
        "deprecated": node.deprecated,
        "reference": node.reference,
        "style": node.style,
        "code": node.code,
        "dynamic": dict(node.dynamic),
        "schema": dict(node.schema),
    }


def sources_digest(files: Mapping[str, Path]) -> str:
    """sha256 over the names and contents of all Python sources, so that a host sees when the file is out of date."""
    total = hashlib.sha256()
    for name in sorted((name for name in files if name.endswith(".py")), key=str.encode):
        total.update(f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def disagreements(document: bytes, inspection: Inspection) -> tuple[str, ...]:
    """In what a ``nodes.json`` says something else than the code; empty where it may be trusted.

    Nodes that static reading can't see are not believed either.
    """
    try:
        said = json.loads(document)
        nodes = said["nodes"]
        codes = {str(name): (str(entry["code"]), entry["schema"]) for name, entry in nodes.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ("it is not of the format",)
    seen = {node.id: node for node in inspection.nodes}
    problems = [f"it lists {name!r}, which the code does not show" for name in sorted(codes.keys() - seen.keys())]
    problems += [f"it lacks {name!r}" for name in sorted(seen.keys() - codes.keys())]
    for name in sorted(codes.keys() & seen.keys()):
        code, schema = codes[name]
        if code != seen[name].code or _portable(schema) != _portable(seen[name].schema):
            problems.append(f"it says something else of {name!r}")
    return tuple(problems)


def _portable(schema: Any) -> Any:
    """A schema without what depends on the folder's name."""
    return (
        {key: value for key, value in schema.items() if key != "python_module"} if isinstance(schema, Mapping) else None
    )


def _sdk_version() -> str:
    try:
        return version("comfy-nodes")
    except PackageNotFoundError:
        return ""


def nodes_file_problems(folder: Path, inspection: Inspection) -> Iterable[str]:
    """``disagreements`` of the folder's own ``nodes.json``; nothing where it has none."""
    path = folder / "nodes.json"
    return disagreements(path.read_bytes(), inspection) if path.is_file() else ()
