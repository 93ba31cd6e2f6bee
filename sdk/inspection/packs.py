"""Reads a whole pack."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from sdk.errors import ManifestError
from sdk.inspection.budget import MAX_STEPS, BudgetSpent
from sdk.inspection.facts import Inspection, NodeFacts
from sdk.inspection.files import PackFiles
from sdk.inspection.first_style import first_style_nodes
from sdk.inspection.interpreter import MAPPINGS, Interpreter
from sdk.inspection.schema_style import ENTRY_POINT, schema_style_nodes
from sdk.inspection.sdk_style import sdk_nodes
from sdk.inspection.values import Module, Unknown
from sdk.manifest import PackManifest, read_manifest

_START = "__init__.py"
_MAX_STARTS = 20


def inspect_pack(folder: Path, *, steps: int = MAX_STEPS) -> Inspection:
    """The nodes of the pack in a folder, and what could not be read. Nothing of the pack is run.

    A pack of this platform is known by its entry points, a ComfyUI pack by what its ``__init__.py`` binds. Sources that
    can't be parsed are reported in ``unread``; the work is bounded in steps (a million take some seconds, and what is
    read until then is given) and in time (about 20 s).

    Raises:
        OSError: the folder can't be read.
    """
    folder = _root(folder.resolve())
    manifest = _manifest(folder)
    own = _own_names(folder, manifest)
    run = Interpreter(PackFiles(folder, folder.name, own), own, roots=("", "src"), steps=steps)
    found: list[NodeFacts] = []
    try:
        found.extend(_all_nodes(run, folder, manifest))
    except BudgetSpent:
        run.note("", 0, "the pack takes too long to read; what was read until then is listed")
    nodes = _distinct(run, found)
    styles = {node.style for node in nodes}
    return Inspection(
        nodes=nodes,
        unread=tuple(sorted(run.unread)),
        kind=_kind(run, styles, manifest),
    )


def _all_nodes(run: Interpreter, folder: Path, manifest: PackManifest | None) -> Iterable[NodeFacts]:
    if manifest is not None and manifest.entry_points:
        yield from sdk_nodes(run, manifest)
    start = _start(run.files)
    if start is None:
        return
    module = run.imports.load(start)
    if isinstance(module, Module):
        yield from first_style_nodes(run, module, folder.name)
        yield from schema_style_nodes(run, module, folder.name)


def _start(files: PackFiles) -> str | None:
    """The module that the host imports: the pack's own start, or that of its only folder that is a ComfyUI pack."""
    if _START in files.files:
        return _START
    starts = sorted(name for name in files.files if name.count("/") == 1 and name.endswith(f"/{_START}"))
    texts = {name: files.read_text(files.absolute(name)) or "" for name in starts[:_MAX_STARTS]}
    meant = [name for name, text in texts.items() if MAPPINGS in text or ENTRY_POINT in text]
    return meant[0] if len(meant) == 1 else None


def _kind(run: Interpreter, styles: set[str], manifest: PackManifest | None) -> str:
    kinds = set(styles)
    if manifest is not None and manifest.entry_points:
        kinds.add("sdk")
    start = _start(run.files)
    if start is not None and isinstance(module := run.imports.load(start), Module | Unknown):
        names = module.names if isinstance(module, Module) else {}
        kinds |= {"comfyui-v1"} if MAPPINGS in names and not styles else set()
        kinds |= {"comfyui-v3"} if ENTRY_POINT in names and not styles else set()
    return "none" if not kinds else kinds.pop() if len(kinds) == 1 else "mixed"


def _distinct(run: Interpreter, found: list[NodeFacts]) -> tuple[NodeFacts, ...]:
    """One entry for each id; an id that two places define is noted."""
    by_id: dict[str, NodeFacts] = {}
    for node in found:
        if not node.id:
            continue
        earlier = by_id.setdefault(node.id, node)
        if earlier is not node and (earlier.file, earlier.line) != (node.file, node.line):
            by_id[node.id] = dataclasses.replace(earlier, schema=earlier.schema or node.schema)
    return tuple(by_id[key] for key in sorted(by_id))


def _manifest(folder: Path) -> PackManifest | None:
    try:
        return read_manifest(folder)
    except ManifestError:
        return None


def _own_names(folder: Path, manifest: PackManifest | None) -> set[str]:
    """Names by which a pack may import itself."""
    names = {folder.name, *([manifest.name] if manifest else [])}
    names |= {re.sub(r"[-.]", "_", name) for name in names}
    return {name for name in names if not (folder / name).is_dir() and not (folder / f"{name}.py").is_file()}


def _root(folder: Path) -> Path:
    """The pack itself, where the folder holds nothing else, as archives of repositories do."""
    entries = [entry for entry in folder.iterdir() if entry.name not in ("__MACOSX", ".git")]
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink() and (entries[0] / _START).is_file():
        return entries[0]
    return folder
