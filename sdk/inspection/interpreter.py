"""Works out a pack's module-level code from its syntax tree, without running any of it.

It does what importing the pack would do to names and dicts, as far as that follows from the pack's own source. It
writes nothing, opens only the pack's own files, and stops after a bounded number of steps.
"""

from __future__ import annotations

import ast
import posixpath
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from sdk.inspection import assignments, builtin_functions, classes, expressions, library_functions, loops, statements
from sdk.inspection.budget import MAX_STEPS, Budget
from sdk.inspection.facts import Unread
from sdk.inspection.files import PackFiles
from sdk.inspection.imports import Imports
from sdk.inspection.leaving import Leaving, LoopLeft, Raised, Return, RoundLeft
from sdk.inspection.values import (
    Bound,
    CannotKnow,
    Class,
    Dict,
    External,
    Function,
    Instance,
    List,
    Made,
    Module,
    Native,
    Scope,
    Subscripted,
    Unknown,
    Value,
)

MAPPINGS = "NODE_CLASS_MAPPINGS"
MAX_DEPTH = 30  # calls within calls
MAX_RECURSION = 8  # calls of one function within each other
_MAKES_VALUES = (ast.Call, ast.BinOp, ast.JoinedStr, ast.Subscript, ast.List, ast.Tuple, ast.Set, ast.ListComp)


@dataclass(frozen=True)
class Here:
    """Where a call stands."""

    scope: Scope
    node: ast.AST


class Interpreter:
    """Everything that is known while one pack is read; used once, from one thread."""

    def __init__(
        self, files: PackFiles, own_names: Iterable[str], roots: Iterable[str] = ("",), steps: int = MAX_STEPS
    ) -> None:
        self.files = files
        self.own_names = frozenset(own_names)
        self.budget = Budget(steps)
        self.imports = Imports(self)
        self.unread: list[Unread] = []
        self.here: Here = Here(Scope(Module("", ""), Dict()), ast.Constant(None))
        self.classes: list[Class] = []  # all that were defined, in their order
        self.guards = 0  # blocks around what is being read that catch errors
        self._roots = tuple(roots)
        self._added_roots: list[str] = []
        self._depth = 0
        self._running: list[ast.AST] = []

    def note(self, file: str, line: int, reason: str) -> None:
        """Remember that something can't be read."""
        entry = Unread(file, line, reason)
        if entry not in self.unread:
            self.unread.append(entry)

    def import_roots(self, importer: Module) -> tuple[str, ...]:
        """Folders in which absolute imports are looked for; packs put their own onto the path."""
        return (*self._roots, *self._added_roots, posixpath.dirname(importer.file))

    def add_root(self, path: str) -> None:
        """``sys.path.append``: absolute imports are looked for in this folder of the pack too."""
        name = self.files.relative(path)
        if name is not None and name not in self._added_roots:
            self._added_roots.append(name)

    def refuse(self, reason: str, kind: str) -> NoReturn:
        """Fail as the code does; where nothing in it catches that, what depends on it is not known.

        Raises:
            Raised: something catches errors of this kind.
            CannotKnow: nothing does.
        """
        raise Raised(reason, kind) if self.guards else CannotKnow(reason)

    @contextmanager
    def guarded(self, guards: int) -> Iterator[None]:
        """While so many blocks catch errors."""
        before, self.guards = self.guards, guards
        try:
            yield
        finally:
            self.guards = before

    def external(self, path: str) -> External:
        """Something outside the pack."""
        return External(path)

    def evaluate(self, scope: Scope, node: ast.expr) -> Value:
        """What an expression is worth; an Unknown with its place where that can't be known."""
        self.budget.spend()
        try:
            value = expressions.evaluate(self, scope, node)
            if isinstance(node, _MAKES_VALUES):
                self.budget.spend_for(value)
            return value
        except CannotKnow as error:
            return Unknown(str(error), scope.module.file, getattr(node, "lineno", 0))
        except RecursionError:
            return Unknown("the code is nested too deep", scope.module.file, getattr(node, "lineno", 0))

    def lookup(self, scope: Scope, name: str) -> Value:
        """What a name means here.

        Raises:
            CannotKnow: nothing in the pack binds it.
        """
        place: Scope | None = scope
        while place is not None:
            if name in place.names:
                return place.names[name]
            place = place.parent
        if name in scope.module.names:
            return scope.module.names[name]
        if name in builtin_functions.TYPES:
            return builtin_functions.TYPES[name]
        if name in builtin_functions.FUNCTIONS:
            return External(f"builtins.{name}")
        if name in ("Exception", "BaseException", "NotImplemented", "Ellipsis") or name.endswith("Error"):
            return External(f"builtins.{name}")
        stars = scope.module.names.get("\0stars")
        raise CannotKnow(stars.holes[0].reason if isinstance(stars, List) and stars.holes else f"{name!r} is not bound")

    def iterate(self, value: Value) -> List:
        """The items a loop over the value sees."""
        return loops.iterate(self, value)

    def as_unknown(self, value: Value, scope: Scope, node: ast.AST) -> Unknown:
        """A reason why the value is not known, with a place."""
        if isinstance(value, Unknown):
            if value.file:
                return value
            return Unknown(value.reason, scope.module.file, getattr(node, "lineno", 0))
        where = value.path if isinstance(value, External | Made) else ""
        reason = f"it comes from {where}, outside the pack" if where else "it is known only when the code runs"
        return Unknown(reason, scope.module.file, getattr(node, "lineno", 0))

    def assign(self, scope: Scope, target: ast.expr, value: Value) -> None:
        """Bind a value as an assignment does."""
        assignments.assign(self, scope, target, value)

    def defaults(self, scope: Scope, arguments: ast.arguments) -> Mapping[str, Value]:
        """The parameters' defaults."""
        names = [parameter.arg for parameter in (*arguments.posonlyargs, *arguments.args)]
        last = names[len(names) - len(arguments.defaults) :]
        given = {name: self.evaluate(scope, node) for name, node in zip(last, arguments.defaults, strict=True)}
        for parameter, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if node is not None:
                given[parameter.arg] = self.evaluate(scope, node)
        return given

    def run_body(self, scope: Scope, body: list[ast.stmt]) -> None:
        """Run the body of a module or class; a statement that fails does not keep the others from being read."""
        for statement in body:
            try:
                statements.execute(self, scope, statements.Frame(), [statement])
            except Raised as error:
                self._bind_missing(scope, statement, error.reason)
            except Leaving:
                continue
            except RecursionError:
                self.note(scope.module.file, statement.lineno, "the code is nested too deep")

    def _bind_missing(self, scope: Scope, statement: ast.stmt, reason: str) -> None:
        unknown = Unknown(reason, scope.module.file, statement.lineno)
        for node in ast.walk(statement) if isinstance(statement, ast.ImportFrom) else ():
            if isinstance(node, ast.alias) and node.name == "*":
                scope.names.setdefault("\0stars", List()).holes.append(unknown)
            elif isinstance(node, ast.alias):
                scope.names[node.asname or node.name] = unknown

    def call(
        self, callee: Value, args: tuple[Value, ...], keywords: Mapping[str, Value], scope: Scope, node: ast.AST
    ) -> Value:
        """What a call gives.

        Raises:
            CannotKnow: only running the code tells.
        """
        with self._at(scope, node):
            return self._call(callee, args, keywords, scope, node)

    def call_here(self, callee: Value, args: tuple[Value, ...], keywords: Mapping[str, Value] | None = None) -> Value:
        """A call made by a function that is itself being called."""
        return self._call(callee, args, keywords or {}, self.here.scope, self.here.node)

    def _call(
        self, callee: Value, args: tuple[Value, ...], keywords: Mapping[str, Value], scope: Scope, node: ast.AST
    ) -> Value:
        match callee:
            case Unknown():
                for given in (*args, *keywords.values()):
                    self._note_given_away(given, "something of the pack that can't be seen", scope, node)
                raise CannotKnow(callee.reason)
            case Function():
                return self.invoke(callee, args, keywords)
            case Bound():
                return self.invoke(callee.function, (callee.owner, *args), keywords)
            case Class():
                return classes.instantiate(self, callee, args, keywords)
            case Native():
                return self._worked_out(lambda: callee.call(args, keywords))
            case Instance() if isinstance(method := callee.of.lookup("__call__"), Function):
                return self.invoke(method, (callee, *args), keywords)
            case External() | Made() | Subscripted() | type():
                return self._call_outside(callee, args, keywords, scope, node)
        raise CannotKnow("what is called is known only when the code runs")

    def _call_outside(
        self, callee: Value, args: tuple[Value, ...], keywords: Mapping[str, Value], scope: Scope, node: ast.AST
    ) -> Value:
        path = callee.__name__ if isinstance(callee, type) else getattr(callee, "path", "")
        known = builtin_functions.FUNCTIONS.get(path.removeprefix("builtins.")) or library_functions.FUNCTIONS.get(path)
        if known is not None and not isinstance(callee, Made):
            return self._worked_out(lambda: known(self, args, keywords))
        is_harmless = path.split(".")[0] in (*sys.stdlib_module_names, "sdk", "") or "." not in path
        for given in (*args, *keywords.values()) if not is_harmless else ():
            self._note_given_away(given, path, scope, node)
        decorates = isinstance(callee, Made) and len(args) == 1 and isinstance(args[0], Class | Function)
        if decorates and path not in classes.NODE_DECORATORS:
            return args[0]  # a decorator called by hand, as functools.wraps is
        return Made(callee, args, dict(keywords), scope.module.file, getattr(node, "lineno", 0))

    def _note_given_away(self, value: Value, path: str, scope: Scope, node: ast.AST) -> None:
        """A library that is given a mapping of nodes may add to it."""
        if isinstance(value, Dict) and self._is_mapping_of_nodes(value, scope):
            reason = f"it is given to {path}, which may add entries"
            value.holes.append(Unknown(reason, scope.module.file, getattr(node, "lineno", 0)))

    def _is_mapping_of_nodes(self, value: Dict, scope: Scope) -> bool:
        return value is scope.module.names.get(MAPPINGS) or any(isinstance(item, Class) for item in value.values())

    def _worked_out(self, work: Iterator[Value] | object) -> Value:
        try:
            return work()  # type: ignore[operator]
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise CannotKnow(f"it is called with other arguments than expected ({error})") from error

    def invoke(self, function: Function, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
        """What one of the pack's functions gives.

        Raises:
            CannotKnow: it calls itself, or is called too deep.
        """
        if self._depth >= MAX_DEPTH or self._running.count(function.node) >= MAX_RECURSION:
            raise CannotKnow("functions call each other without an end that can be seen")
        names = classes.bind_arguments(function, args, keywords)
        if function.owner is not None:
            names["\0class"], names["\0self"] = function.owner, args[0] if args else None
        scope = Scope(module=function.scope.module, names=names, parent=function.scope)
        if isinstance(function.node, ast.Lambda):
            return self.evaluate(scope, function.node.body)
        given = names["\0yields"] = List() if statements.is_generator(function.node) else None
        frame = statements.Frame()
        self._depth += 1
        self._running.append(function.node)
        try:
            statements.execute(self, scope, frame, function.node.body)
        except Return:
            pass
        except (LoopLeft, RoundLeft):
            pass
        finally:
            self._depth -= 1
            self._running.pop()
        return statements.result_of(frame) if given is None else given

    @contextmanager
    def _at(self, scope: Scope, node: ast.AST) -> Iterator[None]:
        before, self.here = self.here, Here(scope, node)
        try:
            yield
        finally:
            self.here = before

    def submodule(self, package: Module, name: str) -> Value:
        """A module of a package of the pack; None where there is none."""
        return self.imports.submodule(package, name)

    def import_module(self, name: Value, package: Value) -> Value:
        """``importlib.import_module``.

        Raises:
            CannotKnow: the name is not known.
            Raised: a relative name means no file of the pack.
        """
        if not isinstance(name, str):
            raise CannotKnow(name.reason if isinstance(name, Unknown) else "which module is imported is not known")
        if name.startswith("."):
            return self.imports.source_at(name, package, self.here.scope.module)
        file = self.imports.find_absolute(name, self.here.scope.module)
        return self.imports.load(file) if file else External(name, is_module=True)

    def load_path(self, path: str) -> Value:
        """The module in a file, by the path that the pack's code would use.

        Raises:
            CannotKnow: it lies outside the pack.
        """
        file = self.files.relative(path)
        if file is None or file not in self.files.files:
            raise CannotKnow("a module is loaded from outside the pack")
        return self.imports.load(file)
