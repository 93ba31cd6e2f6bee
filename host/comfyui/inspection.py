"""Says from a folder's source code alone whether it is an existing ComfyUI pack."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MARKS = frozenset({"NODE_CLASS_MAPPINGS", "comfy_entrypoint"})
_MAX_SOURCE = 20_000_000  # bytes; the largest known pack module has under 2 MB


def is_comfyui_pack(folder: Path) -> bool:
    """Whether importing the folder's ``__init__.py`` would bind one of ``MARKS``.

    Nothing is imported. ``from .nodes import *`` is followed inside the folder. A file whose syntax is wrong counts
    as a pack if it mentions a mark, so that loading it reports the syntax error.
    """
    start = folder / "__init__.py"
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file() or path.stat().st_size > _MAX_SOURCE:
            continue
        seen.add(path)
        source = path.read_bytes()
        if not any(mark.encode() in source for mark in MARKS) and b"*" not in source:
            continue
        try:
            tree = ast.parse(source, filename=str(path))
        except (SyntaxError, ValueError, RecursionError):
            if any(mark.encode() in source for mark in MARKS):
                return True
            continue
        statements = list(_top_level(tree))
        if any(MARKS & set(_bound_names(statement)) for statement in statements):
            return True
        waiting += [target for statement in statements for target in _star_imports(statement, path, folder)]
    return False


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run at import, also those inside ``if``, ``try``, ``with`` and loops."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            continue
        waiting.extend(ast.iter_child_nodes(node))


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (item.asname or item.name for item in names)
        case ast.Assign(targets=targets):
            yield from (name for target in targets for name in _names(target))
        case ast.AnnAssign(target=target) if statement.value is not None:
            yield from _names(target)
        case ast.AugAssign(target=target):
            yield from _names(target)


def _names(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _star_imports(statement: ast.stmt, path: Path, folder: Path) -> Iterator[Path]:
    """Files of the pack from which the statement imports every public name."""
    if not (isinstance(statement, ast.ImportFrom) and any(item.name == "*" for item in statement.names)):
        return
    if statement.level == 0:
        return
    base = path.parent
    for _ in range(statement.level - 1):
        base = base.parent
    if not base.is_relative_to(folder):
        return
    target = base.joinpath(*(statement.module or "").split("."))
    yield from (target.with_suffix(".py"), target / "__init__.py")
