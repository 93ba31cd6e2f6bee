"""What a piece of code does, apart from how it is written: a hash and a MinHash signature of its syntax tree.

Names of local variables and parameters, comments, docstrings, annotations and formatting do not count; names of
attributes, of what is called, imported or global, and constants do.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator

PERMUTATIONS = 128
_SCHEME, _SEED = "affine32", 1  # signatures are stored, so they may not change
_SHINGLE = 5
_SMALLEST = 40  # tokens; below that everything resembles everything
_NO_FIELDS = frozenset({"annotation", "returns", "type_comment", "ctx", "kind", "type_params", "type_ignores"})


def code_hash(node: ast.AST) -> str:
    """sha256 of the normalised tree."""
    return hashlib.sha256("\n".join(tokens(node)).encode("utf-8", "surrogatepass")).hexdigest()


def signature(node: ast.AST) -> tuple[int, ...]:
    """MinHash (128 permutations) of the tree's 5-token shingles; () for code too small to compare."""
    from datasketch import MinHash  # here, because it imports numpy

    words = [*tokens(node)]
    if len(words) < _SMALLEST:
        return ()
    shingles = {"\n".join(words[start : start + _SHINGLE]) for start in range(len(words) - _SHINGLE + 1)}
    made = MinHash(num_perm=PERMUTATIONS, seed=_SEED, scheme=_SCHEME)
    made.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in sorted(shingles)])
    return tuple(int(value) for value in made.hashvalues)


def tokens(node: ast.AST) -> Iterator[str]:
    """The normalised tree, depth first."""
    yield from _walk(node, _renamed(_local_names(node)), top=True)


def _renamed(names: Iterable[str]) -> dict[str, str]:
    return {name: f"v{number}" for number, name in enumerate(names)}


def _local_names(node: ast.AST) -> list[str]:
    """Names that functions inside bind, in the order in which they appear."""
    found: dict[str, None] = {}
    for each in _in_order(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in _in_order(each):
                if isinstance(inner, ast.arg):
                    found.setdefault(inner.arg)
                elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    found.setdefault(inner.id)
    return [*found]


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(reversed(list(ast.iter_child_nodes(each))))


def _walk(node: ast.AST, names: dict[str, str], *, top: bool = False) -> Iterator[str]:
    """Iterative, since generated code may be nested deeper than Python's stack."""
    waiting: list[ast.AST | str] = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
            continue
        own_name = not top
        top = False
        parts: list[ast.AST | str] = [type(each).__name__]
        for field, value in ast.iter_fields(each):
            if field in _NO_FIELDS or (field == "name" and not own_name):
                continue
            parts += _parts(each, field, value, names)
        waiting.extend(reversed(parts))


def _parts(node: ast.AST, field: str, value: object, names: dict[str, str]) -> list[ast.AST | str]:
    if field == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        value = _without_docstring(node.body)
    if isinstance(value, ast.AST):
        return [value]
    if isinstance(value, list):
        items = [item for item in value if isinstance(item, ast.AST | str)]
        return [f"{field}[", *items, "]"]
    if isinstance(node, ast.Name | ast.arg) and isinstance(value, str):
        return [names.get(value, value)]
    return [] if value is None and field != "value" else [f"{field}={value!r}"]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if is_text else body
