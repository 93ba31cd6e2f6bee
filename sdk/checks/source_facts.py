"""What the rules ask of a source file: names as dotted paths, and which names hold fetched or decoded data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

_FETCHING = re.compile(
    r"(requests|httpx)\.(get|post|request|put)|urllib\.request\.(urlopen|urlretrieve)|urllib3\..*request"
    r"|aiohttp\..*\.(get|post)|wget\.download|requests\.Session\(\)\.(get|post)"
)
_DECODING = re.compile(
    r"base64\.\w*decode|(zlib|lzma|bz2|gzip)\.decompress|marshal\.loads|codecs\.decode|binascii\.\w+"
    r"|(bytes|bytearray)\.fromhex"
)
_HOME = re.compile(r"os\.path\.expanduser|pathlib\.Path\.home|pathlib\.Path\(.*\)\.expanduser")
_IMPORTING = frozenset({"__import__", "builtins.__import__", "importlib.import_module", "importlib.__import__"})
_MAX_FOLDED = 60  # levels
_NAMESPACES = frozenset({"builtins", "builtins.__dict__", "vars()", "globals()"})
_WORTH_FOLLOWING = re.compile(r"(exec|eval|compile|open|__import__)|\w+(\.\w+)+")
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

    @cached_property
    def _renamed(self) -> dict[str, str]:
        """Names that are bound once in the file, to a function of a library or of Python: ``e = exec``."""
        bound: dict[str, list[ast.expr]] = {}
        for names, value in self.bindings:
            for name in names:
                bound.setdefault(name, []).append(value)
        paths = {
            name: self._path_or_none(values[0], {})
            for name, values in bound.items()
            if (len(values) == 1 and not isinstance(values[0], ast.Call | ast.Await)) or _is_getattr(values[0])
        }
        return {name: path for name, path in paths.items() if path != name and _WORTH_FOLLOWING.fullmatch(path)}

    def dotted(self, node: ast.AST) -> str:
        """The dotted path of a name, an attribute or a call, by whatever detour; "" for anything else."""
        return self._path_or_none(node, self._renamed)

    def _path_or_none(self, node: ast.AST, renamed: Mapping[str, str]) -> str:
        try:
            return self._path(node, renamed)
        except RecursionError:  # a chain of a thousand names is nobody's; the rest of the file is checked all the same
            return ""

    def _path(self, node: ast.AST, renamed: Mapping[str, str]) -> str:
        match node:
            case ast.Name(id="__builtins__"):
                return "builtins"
            case ast.Name(id=name):
                return self._aliases.get(name) or renamed.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                before = self._path(value, renamed)
                return f"{before}.{attr}" if before else attr
            case ast.Subscript(value=value, slice=key):
                name = folded(key)
                return f"builtins.{name}" if name and self._path(value, renamed) in _NAMESPACES else ""
            case ast.Call():
                return self._path_of_call(node, renamed)
            case ast.Await(value=value):
                return self._path(value, renamed)
        return ""

    def _path_of_call(self, node: ast.Call, renamed: Mapping[str, str]) -> str:
        called = self._path(node.func, renamed)
        if called in _IMPORTING and node.args and (name := folded(node.args[0])):
            return name
        if called in ("getattr", "builtins.getattr") and len(node.args) > 1 and (name := folded(node.args[1])):
            return f"{self._path(node.args[0], renamed)}.{name}"
        return f"{called}()"

    @cached_property
    def calls(self) -> tuple[tuple[ast.Call, str], ...]:
        """All calls with the paths of what they call."""
        return tuple((node, self.dotted(node.func)) for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    @cached_property
    def texts(self) -> tuple[tuple[str, int], ...]:
        """All text literals but docstrings, with their lines."""
        docstrings = {id(node) for node in _docstrings(self.tree)}
        literal = [
            (node.value, node.lineno)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        ]
        joined = (node for node in ast.walk(self.tree) if isinstance(node, ast.BinOp | ast.JoinedStr | ast.Call))
        return (*literal, *((text, node.lineno) for node in joined if (text := folded(node))))

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
        """Whether an expression holds what was decoded or decompressed, or spelt out in numbers."""
        return self._comes_from(node, _DECODING, self.decoded_names) or any(map(_is_spelt, ast.walk(node)))

    @cached_property
    def _home_names(self) -> frozenset[str]:
        return self._names_from(_HOME)

    def is_in_home(self, node: ast.AST) -> bool:
        """Whether an expression is made of the path of the user's home folder."""
        return self._comes_from(node, _HOME, self._home_names)

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
            elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                found.append(([node.target.id] if isinstance(node.target, ast.Name) else [], node.value))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                returned = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return))
                found += [([node.name], value) for value in returned if value is not None]
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                found.append(([node.optional_vars.id], node.context_expr))
        return tuple((names, value) for names, value in found if names)


def folded(node: ast.AST, depth: int = 0) -> str:
    """The text that an expression of constant texts is: ``"a" + "b"``, ``f"{'a'}b"``, ``"".join(["a", "b"])``.

    It is "" for anything else, and for what is nested deeper than people write.
    """
    if depth > _MAX_FOLDED:
        return ""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [folded(left, depth + 1), folded(right, depth + 1)]
        case ast.JoinedStr(values=values):
            inner = [value.value if isinstance(value, ast.FormattedValue) else value for value in values]
            parts = [folded(value, depth + 1) for value in inner]
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"),
            args=[ast.List(elts=items) | ast.Tuple(elts=items)],
        ):
            texts = [folded(item, depth + 1) for item in items]
            return between.join(texts) if all(texts) else ""
        case _:
            return ""
    return "".join(parts) if all(parts) else ""


def _is_getattr(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"


def _is_spelt(node: ast.AST) -> bool:
    """``"".join(map(chr, […]))``: a text written as numbers."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join"):
        return False
    return any(isinstance(inner, ast.Name) and inner.id == "chr" for part in node.args for inner in ast.walk(part))


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
