"""Which hooks a pack takes part in, so that a host knows whether it may wait with importing the pack."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

from sdk.manifest import PackManifest

_DECORATOR = "hookimpl"
_NODES = "register_nodes"
_WEB_FOLDERS = ("locales", "subgraphs", "example_workflows", "example", "examples", "workflow", "workflows")
_MARKS = {
    b"WEB_DIRECTORY": "register_web_directories",
    b"PromptServer": "register_routes",
    b"SAMPLERS": "register_samplers",
    b"SAMPLER_NAMES": "register_samplers",
    b"SCHEDULER": "register_schedulers",
    b"folder_names_and_paths": "register_folders",
    b"add_model_folder_path": "register_folders",
}
"""What the sources of ComfyUI packs mention when importing them has an effect beyond their nodes."""


def hooks_used(manifest: PackManifest, files: Mapping[str, Path]) -> tuple[str, ...] | None:
    """The hooks besides ``register_nodes`` that importing the pack has an effect on, sorted.

    Rather one too many than one too few: every function of the pack counts that is marked as an implementation. None
    where the code can't tell.

    Args:
        files: the pack's files by relative name.

    Raises:
        OSError: a file can't be read.
    """
    sources = [path.read_bytes() for name, path in sorted(files.items()) if name.endswith(".py")]
    if not manifest.entry_points:
        return _of_comfyui_pack(manifest, files, sources)
    found: set[str] = set()
    for source in sources:
        if _DECORATOR.encode() not in source:
            continue
        names = _marked(source)
        if names is None:
            return None
        found.update(names)
    return tuple(sorted(found - {_NODES}))


def _of_comfyui_pack(manifest: PackManifest, files: Mapping[str, Path], sources: Iterable[bytes]) -> tuple[str, ...]:
    found = {hook for source in sources for mark, hook in _MARKS.items() if mark in source}
    if manifest.web or any(name.partition("/")[0] in _WEB_FOLDERS and "/" in name for name in files):
        found.add("register_web_directories")
    return tuple(sorted(found))


def _marked(source: bytes) -> set[str] | None:
    """The hooks of functions under the decorator; None where the mark is used in another way."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = list(ast.walk(tree))
    marks = {_DECORATOR} | {
        item.asname
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for item in node.names
        if item.name == _DECORATOR and item.asname
    }
    found: set[str] = set()
    decorators: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if _is_mark(decorator, marks):
                    decorators |= {id(decorator), id(getattr(decorator, "func", None))}
                    found.add(_specification(decorator) or node.name)
    return None if any(_is_mark(node, marks) and id(node) not in decorators for node in nodes) else found


def _is_mark(node: ast.AST, marks: set[str]) -> bool:
    if isinstance(node, ast.Call):
        return _is_mark(node.func, marks)
    if isinstance(node, ast.Attribute):
        return node.attr == _DECORATOR
    return isinstance(node, ast.Name) and node.id in marks


def _specification(decorator: ast.expr) -> str | None:
    """The hook that ``@hookimpl(specname=…)`` names."""
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    values = [item.value for item in keywords if item.arg == "specname"]
    return str(values[0].value) if values and isinstance(values[0], ast.Constant) and values[0].value else None
