"""Functions of the standard library by which packs import their own modules."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdk.inspection.paths import known, text_of
from sdk.inspection.values import (
    Arguments,
    CannotKnow,
    Dict,
    External,
    Keywords,
    List,
    Made,
    Module,
    Native,
    Record,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_MODULE_INFO = ("module_finder", "name", "ispkg")


def _add_path(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    run.add_root(text_of(args[-1]))


def _import_module(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    name = args[0] if args else keywords.get("name")
    return run.import_module(name, args[1] if len(args) > 1 else keywords.get("package"))


def _spec(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    place = args[1] if len(args) > 1 else keywords.get("location")
    return Made(run.external("importlib.util.spec_from_file_location"), (place,), {}, "", 0)


def _module_from_spec(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    spec = args[0]
    if not isinstance(spec, Made) or not spec.args:
        raise CannotKnow("which module is loaded is known only when the code runs")
    return run.load_path(text_of(spec.args[0]))


def _spec_from_loader(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return args[1] if len(args) > 1 else keywords.get("loader")


def _file_loader(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """A loader, which is as good as the specification that holds it."""
    return _spec(run, args, keywords if len(args) > 1 else {"location": keywords.get("path")})


def _load_source(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.load_path(text_of(args[1]))


def _iter_modules(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    folders = run.iterate(args[0] if args else keywords.get("path"))
    rows, prefix = List((), folders.holes), _prefix(args, keywords)
    for folder in folders:
        for name in known(run.files.listing(text_of(folder))):
            stem = name.removesuffix(".py")
            is_package = run.files.is_file(posixpath.join(text_of(folder), name, "__init__.py"))
            if is_package or (name.endswith(".py") and stem != "__init__"):
                rows.append(Record(_MODULE_INFO, (_finder(text_of(folder)), f"{prefix}{stem}", bool(is_package))))
    return rows


def _walk_packages(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    folders = run.iterate(args[0] if args else keywords.get("path"))
    rows = List((), folders.holes)
    waiting = [(text_of(folder), _prefix(args, keywords)) for folder in folders]
    while waiting:
        folder, prefix = waiting.pop(0)
        found = _iter_modules(run, (List([folder]), prefix), {})
        rows.extend(found)
        names = [(row[1].removeprefix(prefix), row[1]) for row in found if row[2]]
        waiting += [(posixpath.join(folder, name), f"{full}.") for name, full in names]
    return rows


def _prefix(args: Arguments, keywords: Keywords) -> str:
    given = args[1] if len(args) > 1 else keywords.get("prefix", "")
    if not isinstance(given, str):
        raise CannotKnow("the modules' names are known only when the code runs")
    return given


def _finder(folder: str) -> Value:
    """What finds the modules of a folder by their names."""

    def find(args: Arguments, keywords: Keywords) -> Value:
        place = posixpath.join(folder, text_of(args[0]).rpartition(".")[2])
        return Made(External("importlib.util.spec_from_file_location"), (f"{place}.py",), {}, "", 0)

    return Module(file="", name="", names=Dict({name: Native(name, find) for name in ("find_spec", "find_module")}))


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = {
    **dict.fromkeys(("sys.path.append", "sys.path.insert"), _add_path),
    "importlib.import_module": _import_module,
    "importlib.util.spec_from_file_location": _spec,
    "importlib.util.module_from_spec": _module_from_spec,
    "importlib.util.spec_from_loader": _spec_from_loader,
    **dict.fromkeys(("importlib.machinery.SourceFileLoader", "importlib.abc.SourceLoader"), _file_loader),
    "imp.load_source": _load_source,
    "pkgutil.iter_modules": _iter_modules,
    "pkgutil.walk_packages": _walk_packages,
}
