"""What the rules ask of a source file: names as dotted paths, and which names hold fetched or decoded data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property

_FETCHING = re.compile(
    r"(requests|httpx)\.(get|post|request|put)|urllib\.request\.(urlopen|urlretrieve)|urllib3\..*request"
    r"|aiohttp\..*\.(get|post)|wget\.download|requests\.Session\(\)\.(get|post)"
)
_DECODING = re.compile(
    r"base64\.\w*decode|(zlib|lzma|bz2|gzip)\.decompress|marshal\.loads|codecs\.decode|binascii\.\w+"
)
FILES = re.compile(r"(builtins\.)?open")


class SourceFile:
    """One parsed file; ``name`` is relative to the pack's folder."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree

    @cached_property
    def _aliases(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for item in node.names:
                    found[item.asname or item.name.split(".")[0]] = (
                        item.name if item.asname else item.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for item in node.names:
                    found[item.asname or item.name] = f"{node.module}.{item.name}"
        return found

    def dotted(self, node: ast.AST) -> str:
        """The dotted path of a name, an attribute or a call; "" for anything else."""
        match node:
            case ast.Name(id=name):
                return self._aliases.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                before = self.dotted(value)
                return f"{before}.{attr}" if before else attr
            case ast.Call(func=func):
                return f"{self.dotted(func)}()"
            case ast.Await(value=value):
                return self.dotted(value)
        return ""

    @cached_property
    def calls(self) -> tuple[tuple[ast.Call, str], ...]:
        """All calls with the paths of what they call."""
        return tuple((node, self.dotted(node.func)) for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    @cached_property
    def texts(self) -> tuple[tuple[str, int], ...]:
        """All text literals but docstrings, with their lines."""
        docstrings = {id(node) for node in _docstrings(self.tree)}
        return tuple(
            (node.value, node.lineno)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        )

    @cached_property
    def fetched_names(self) -> frozenset[str]:
        """Names that somewhere in the file get what came over the network."""
        return self._names_from(_FETCHING)

    @cached_property
    def decoded_names(self) -> frozenset[str]:
        """Names that somewhere in the file get what was decoded or decompressed."""
        return self._names_from(_DECODING)

    def is_fetched(self, node: ast.AST) -> bool:
        """Whether an expression holds what came over the network."""
        return self._comes_from(node, _FETCHING, self.fetched_names)

    def is_decoded(self, node: ast.AST) -> bool:
        """Whether an expression holds what was decoded or decompressed."""
        return self._comes_from(node, _DECODING, self.decoded_names)

    def _comes_from(self, node: ast.AST, pattern: re.Pattern[str], names: frozenset[str]) -> bool:
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and each.id in names:
                return True
            if isinstance(each, ast.Call) and pattern.fullmatch(self.dotted(each.func)):
                return True
        return False

    def _names_from(self, pattern: re.Pattern[str]) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for _ in range(3):  # names assigned from names; deeper chains are not worth more passes
            more = {name for names, value in self.bindings if self._comes_from(value, pattern, found) for name in names}
            if more <= found:
                break
            found |= more
        return found

    @cached_property
    def bindings(self) -> tuple[tuple[list[str], ast.expr], ...]:
        """Names with the expressions that somewhere in the file are bound to them."""
        found: list[tuple[list[str], ast.expr]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                found.append(([target.id for target in node.targets if isinstance(target, ast.Name)], node.value))
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                found.append(([node.optional_vars.id], node.context_expr))
        return tuple((names, value) for names, value in found if names)


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def at_import(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that importing the module makes; not those under ``if __name__ == "__main__"``."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "__main__" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def is_fetching(path: str) -> bool:
    """Whether a call of this path uses the network."""
    return _FETCHING.fullmatch(path) is not None
