"""Imports inside a pack: which file a name of a module means, and what importing it binds."""

from __future__ import annotations

import ast
import posixpath
import sys
from typing import TYPE_CHECKING

from sdk.inspection import attributes
from sdk.inspection.leaving import Raised
from sdk.inspection.source import Unreadable, parse_file
from sdk.inspection.values import External, List, Module, Scope, Unknown, Value

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

HOST_MODULES = frozenset(
    [
        "nodes",
        "folder_paths",
        "comfy",
        "comfy_api",
        "comfy_extras",
        "comfy_execution",
        "server",
        "execution",
        "node_helpers",
        "latent_preview",
        "cli_args",
        "app",
        "api_server",
        "comfyui_version",
        "utils",
        "torch",
        "numpy",
        "PIL",
    ]
)


class Imports:
    """The modules of a pack, each read once."""

    def __init__(self, run: Interpreter) -> None:
        self._run = run
        self._modules: dict[str, Module | Unknown] = {}

    def bind_import(self, scope: Scope, alias: ast.alias) -> None:
        """``import a.b`` and ``import a.b as c``."""
        file = self.find_absolute(alias.name, scope.module)
        if alias.asname:
            scope.names[alias.asname] = self.load(file) if file else External(alias.name, is_module=True)
            return
        first = alias.name.split(".")[0]
        if file:
            self.load(file)
        top = self.find_absolute(first, scope.module)
        scope.names[first] = self.load(top) if top else External(first, is_module=True)

    def bind_from(self, scope: Scope, node: ast.ImportFrom) -> None:
        """``from a import b``, with or without dots, also ``*``."""
        source = self.source_of(scope.module, node.module or "", node.level)
        for alias in node.names:
            if alias.name == "*":
                self._bind_all(scope, source, node)
            else:
                scope.names[alias.asname or alias.name] = self._member(source, alias.name, scope, node)

    def source_of(self, module: Module, name: str, level: int) -> Value:
        """The module that ``from`` names.

        Raises:
            Raised: a relative import names no file of the pack.
        """
        if not level:
            file = self.find_absolute(name, module)
            return self.load(file) if file else External(name, is_module=True)
        folder = posixpath.dirname(module.file)
        for _ in range(level - 1):
            if not folder:
                return External("." * level + name, is_module=True)
            folder = posixpath.dirname(folder)
        place = posixpath.join(folder, *name.split(".")) if name else folder
        file = self._file_at(place)
        if file is None and self._run.files.is_folder(self._run.files.absolute(place)):
            return Module(file=posixpath.join(place, "__init__.py"), name=place.replace("/", "."))
        if file is None:
            raise Raised(f"the pack has no module {'.' * level}{name}", "ModuleNotFoundError")
        return self.load(file)

    def source_at(self, name: str, package: Value, importer: Module) -> Value:
        """The module that a relative name means, seen from a package given by its dotted name or from the importer.

        Raises:
            Raised: there is no such module in the pack.
        """
        level = len(name) - len(name.lstrip("."))
        if not isinstance(package, str):
            return self.source_of(importer, name[level:], level)
        parts = package.removeprefix("custom_nodes.").split(".")[1:]
        parts = parts[: len(parts) - (level - 1)]
        file = self._file_at("/".join([*parts, *name[level:].split(".")]))
        if file is None:
            raise Raised(f"the pack has no module {name}", "ModuleNotFoundError")
        return self.load(file)

    def is_outside(self, importer: Module, name: str, level: int) -> bool | None:
        """Whether an import means a library that the pack's code can't be sure of; None for what the host has."""
        if level:
            try:
                return not isinstance(self.source_of(importer, name, level), Module)
            except Raised:
                return None
        if name.split(".")[0] in sys.stdlib_module_names or name.split(".")[0] in HOST_MODULES:
            return None
        return self.find_absolute(name, importer) is None

    def _member(self, source: Value, name: str, scope: Scope, node: ast.ImportFrom) -> Value:
        if isinstance(source, External):
            return attributes.of_library(f"{source.path}.{name}")
        if isinstance(source, Unknown):
            return source
        if name in source.names:
            return source.names[name]
        inner = self.submodule(source, name)
        if inner is not None:
            return inner
        if self._run.guards and "\0stars" not in source.names and not source.names.holes:
            raise Raised(f"{source.name or 'the pack'} has no {name!r}", "ImportError")
        return Unknown(f"{source.name or 'the pack'} has no {name!r} that can be seen", scope.module.file, node.lineno)

    def _bind_all(self, scope: Scope, source: Value, node: ast.ImportFrom) -> None:
        if not isinstance(source, Module):
            reason = source.reason if isinstance(source, Unknown) else f"it imports everything from {source.path}"
            scope.names.setdefault("\0stars", List()).holes.append(Unknown(reason, scope.module.file, node.lineno))
            return
        public = source.names.get("__all__")
        for name in list(source.names):
            wanted = name in public if isinstance(public, List) and not public.holes else not name.startswith("_")
            if wanted:
                scope.names[name] = source.names[name]
        if isinstance(public, List):
            for name in public:
                if name not in source.names and isinstance(name, str) and (inner := self.submodule(source, name)):
                    scope.names[name] = inner

    def submodule(self, package: Module, name: str) -> Module | Unknown | None:
        """A module of a package; None where there is none."""
        if posixpath.basename(package.file) != "__init__.py":
            return None
        file = self._file_at(posixpath.join(posixpath.dirname(package.file), name))
        return self.load(file) if file else None

    def find_absolute(self, name: str, importer: Module) -> str | None:
        """The pack's file that an absolute import means; None for a library.

        Packs import themselves by the name of their folder, and put their own folders onto the path.
        """
        parts = name.split(".")
        if "custom_nodes" in parts[:-1]:
            return self._file_at("/".join(parts[parts.index("custom_nodes") + 2 :]))
        own = next((place for place, part in enumerate(parts) if part in self._run.own_names), None)
        if own is not None and (own == 0 or parts[0] not in HOST_MODULES):
            return self._file_at("/".join(parts[own + 1 :]))
        if parts[0] in sys.stdlib_module_names or parts[0] in HOST_MODULES - {"utils"}:
            return None
        for start in self._run.import_roots(importer):
            if file := self._file_at(posixpath.join(start, *parts)):
                return file
        return None

    def _file_at(self, place: str) -> str | None:
        package = posixpath.join(place, "__init__.py") if place else "__init__.py"
        candidates = (package, f"{place}.py") if place else (package,)
        return next((name for name in candidates if name in self._run.files.files), None)

    def load(self, file: str) -> Module | Unknown:
        """The module in a file of the pack, read when it is first asked for."""
        if file not in self._modules:
            self._modules[file] = self._read(file)
        return self._modules[file]

    def named(self, name: Value) -> Module | None:
        """The module that is read or being read under this ``__name__``; None for any other."""
        modules = (module for module in self._modules.values() if isinstance(module, Module))
        return next((module for module in modules if module.names.get("__name__") == name), None)

    def _read(self, file: str) -> Module | Unknown:
        name = file.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")
        try:
            tree = parse_file(self._run.files.folder / file)
        except Unreadable as error:
            self._run.note(file, error.line, error.reason)
            return Unknown(error.reason, file, error.line)
        module = Module(file=file, name=name)
        self._modules[file] = module  # before its body runs, for modules that import each other
        module.names.update(self._preset(file, name))
        with self._run.guarded(0):
            self._run.run_body(Scope(module=module, names=module.names), tree.body)
        return module

    def _preset(self, file: str, name: str) -> dict[str, Value]:
        dotted = ".".join(filter(None, (self._run.files.name, name)))
        is_package = posixpath.basename(file) == "__init__.py"
        folder = self._run.files.absolute(posixpath.dirname(file))
        preset: dict[str, Value] = {
            "__name__": dotted,
            "__file__": self._run.files.absolute(file),
            "__package__": dotted if is_package else dotted.rpartition(".")[0],
            "__doc__": None,
        }
        return preset | ({"__path__": List([folder])} if is_package else {})
