"""Functions of the standard library by which packs find and import their own modules."""

from __future__ import annotations

import posixpath
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdk.inspection.builtin_functions import FUNCTIONS as BUILTINS
from sdk.inspection.builtin_functions import Arguments, Keywords
from sdk.inspection.paths import known, text_of
from sdk.inspection.values import (
    CannotKnow,
    Class,
    Dict,
    Function,
    List,
    Made,
    Module,
    Native,
    PathValue,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter


def _path_function(function: Callable[..., Value]) -> Callable[[Interpreter, Arguments, Keywords], Value]:
    return lambda run, args, keywords: function(*map(text_of, args))


def _isfile(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return known(run.files.is_file(text_of(args[0])))


def _isdir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return known(run.files.is_folder(text_of(args[0])))


def _exists(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return _isfile(run, args, keywords) or _isdir(run, args, keywords)


def _listdir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return List(known(run.files.listing(text_of(args[0]))))


def _scandir(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    folder = text_of(args[0])
    entries = []
    for name in known(run.files.listing(folder)):
        path = posixpath.join(folder, name)
        checks = {
            "is_file": Native("is_file", lambda a, k, p=path: run.files.is_file(p)),  # type: ignore[misc]
            "is_dir": Native("is_dir", lambda a, k, p=path: run.files.is_folder(p)),  # type: ignore[misc]
        }
        entries.append(Module(file="", name="", names=Dict({"name": name, "path": path, **checks})))
    return List(entries)


def _walk(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    rows = List()
    waiting = [text_of(args[0])]
    while waiting:
        folder = waiting.pop(0)
        names = known(run.files.listing(folder))
        folders = [name for name in names if run.files.is_folder(posixpath.join(folder, name))]
        rows.append((folder, List(folders), List(name for name in names if name not in folders)))
        waiting += [posixpath.join(folder, name) for name in folders]
    return rows


def _glob(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    pattern = text_of(args[0])
    if (root := keywords.get("root_dir")) is None:
        return List(known(run.files.matching(posixpath.normpath(pattern))))
    start = text_of(root)
    found = known(run.files.matching(posixpath.normpath(posixpath.join(start, pattern))))
    return List(posixpath.relpath(path, start) for path in found)


def _add_path(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    run.add_root(text_of(args[-1]))


def _path(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return PathValue(posixpath.join("", *map(text_of, args)) if args else ".")


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


def _iter_modules(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    folders = run.iterate(args[0] if args else keywords.get("path"))
    rows = List((), folders.holes)
    for folder in folders:
        for name in known(run.files.listing(text_of(folder))):
            stem = name.removesuffix(".py")
            is_package = run.files.is_file(posixpath.join(text_of(folder), name, "__init__.py"))
            if is_package or (name.endswith(".py") and stem != "__init__"):
                row = (None, stem, bool(is_package))
                rows.append(row)
    return rows


def _getmembers(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    holder = args[0]
    if not isinstance(holder, Module | Class):
        raise CannotKnow("its members are known only when the code runs")
    wanted = args[1] if len(args) > 1 else None
    members = List()
    for name in sorted(name for name in holder.names if isinstance(name, str) and not name.startswith("\0")):
        value = holder.names[name]
        if wanted is None or run.call_here(wanted, (value,)) is True:
            members.append((name, value))
    return members


def _isclass(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return isinstance(args[0], Class)


def _isfunction(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return isinstance(args[0], Function)


def _ordered_dict(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, args, keywords)


def _default_dict(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, args[1:], keywords)


def _chain(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    parts = [run.iterate(each) for each in args]
    return List([item for part in parts for item in part], [hole for part in parts for hole in part.holes])


def _chain_map(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return BUILTINS["dict"](run, (), {}) if not args else _merged(run, args)


def _merged(run: Interpreter, args: Arguments) -> Value:
    made = Dict()
    for part in reversed(args):
        BUILTINS["dict"](run, (part,), {})
        made.update(part if isinstance(part, Dict) else {})
        made.holes.extend(part.holes if isinstance(part, Dict) else [Unknown("a part of it is not known")])
    return made


def _same(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return args[0]


def _load_json(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    raise CannotKnow("it is read from a file when the code runs")


FUNCTIONS: Mapping[str, Callable[[Interpreter, Arguments, Keywords], Value]] = types.MappingProxyType(
    {
        "os.path.join": _path_function(posixpath.join),
        "os.path.dirname": _path_function(posixpath.dirname),
        "os.path.basename": _path_function(posixpath.basename),
        "os.path.splitext": _path_function(posixpath.splitext),
        "os.path.split": _path_function(posixpath.split),
        "os.path.relpath": _path_function(posixpath.relpath),
        **dict.fromkeys(
            ("os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.expanduser"),
            _path_function(posixpath.normpath),
        ),
        "os.fspath": _path_function(posixpath.normpath),
        "os.path.isfile": _isfile,
        "os.path.isdir": _isdir,
        "os.path.exists": _exists,
        "sys.path.append": _add_path,
        "sys.path.insert": _add_path,
        "os.listdir": _listdir,
        "os.scandir": _scandir,
        "os.walk": _walk,
        "glob.glob": _glob,
        "glob.iglob": _glob,
        **dict.fromkeys(("pathlib.Path", "pathlib.PurePath"), _path),
        "importlib.import_module": _import_module,
        "importlib.util.spec_from_file_location": _spec,
        "importlib.util.module_from_spec": _module_from_spec,
        "importlib.reload": _same,
        "pkgutil.iter_modules": _iter_modules,
        "inspect.getmembers": _getmembers,
        "inspect.isclass": _isclass,
        "inspect.isfunction": _isfunction,
        "collections.OrderedDict": _ordered_dict,
        "collections.defaultdict": _default_dict,
        "collections.ChainMap": _chain_map,
        "itertools.chain": _chain,
        "itertools.zip_longest": BUILTINS["itertools.zip_longest"],
        "copy.copy": _same,
        "copy.deepcopy": _same,
        "json.load": _load_json,
        "typing.cast": lambda run, args, keywords: args[1],
    }
)
