"""Functions of the standard library by which packs find and import their own modules."""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from sdk.inspection import functional, opened_files, regular_expressions
from sdk.inspection.builtin_functions import FUNCTIONS as BUILTINS
from sdk.inspection.builtin_functions import Arguments, Keywords
from sdk.inspection.files import MODELS_HOST, PLACE
from sdk.inspection.paths import known, text_of
from sdk.inspection.values import (
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
    PathValue,
    Record,
    Rounds,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

_MAX_COPIED = 12  # levels
_MODULE_INFO = ("module_finder", "name", "ispkg")


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
    start = text_of(args[0])
    known(run.files.listing(start))
    return Rounds(lambda: _walked(run, start))


def _walked(run: Interpreter, folder: str) -> Iterator[Value]:
    """Top down, into the folders that are still in the list that was given."""
    names = known(run.files.listing(folder))
    folders = List(name for name in names if run.files.is_folder(posixpath.join(folder, name)))
    yield folder, folders, List(name for name in names if name not in folders)
    for name in folders:
        if isinstance(name, str) and run.files.is_folder(posixpath.join(folder, name)):
            yield from _walked(run, posixpath.join(folder, name))


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
    rows, prefix = List((), folders.holes), _prefix(args, keywords)
    for folder in folders:
        for name in known(run.files.listing(text_of(folder))):
            stem = name.removesuffix(".py")
            is_package = run.files.is_file(posixpath.join(text_of(folder), name, "__init__.py"))
            if is_package or (name.endswith(".py") and stem != "__init__"):
                rows.append(Record(_MODULE_INFO, (_finder(text_of(folder)), f"{prefix}{stem}", bool(is_package))))
    return rows


def _finder(folder: str) -> Value:
    """What finds the modules of a folder by their names."""

    def find(args: Arguments, keywords: Keywords) -> Value:
        place = posixpath.join(folder, text_of(args[0]).rpartition(".")[2])
        return Made(External("importlib.util.spec_from_file_location"), (f"{place}.py",), {}, "", 0)

    return Module(file="", name="", names=Dict({name: Native(name, find) for name in ("find_spec", "find_module")}))


def _current_frame(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.here.scope.module


def _file_of(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    holder = args[0]
    module = holder.scope.module if isinstance(holder, Class | Function) else holder
    if not isinstance(module, Module) or not module.file:
        raise CannotKnow("its file is known only when the code runs")
    return run.files.absolute(module.file)


def _matches(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return fnmatch.fnmatchcase(text_of(args[0]), text_of(args[1]))


def _matching(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    names = run.iterate(args[0])
    return List((name for name in names if fnmatch.fnmatchcase(text_of(name), text_of(args[1]))), names.holes)


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


def _getmembers(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    holder = args[0]
    if not isinstance(holder, Module | Class):
        raise CannotKnow("its members are known only when the code runs")
    wanted = args[1] if len(args) > 1 else keywords.get("predicate")
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


def _copy(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return copied(run, args[0], depth=1)


def _deep_copy(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return copied(run, args[0], depth=_MAX_COPIED)


def copied(run: Interpreter, value: Value, depth: int) -> Value:
    """A copy, so that what is changed later in one of them is not changed in the other."""
    if not depth:
        return value
    run.budget.spend_for(value)
    if isinstance(value, Dict):
        made = Dict((key, copied(run, item, depth - 1)) for key, item in value.items())
        made.holes, made.of, made.attributes = list(value.holes), value.of, dict(value.attributes)
        return made
    if isinstance(value, List):
        return List((copied(run, item, depth - 1) for item in value), value.holes)
    if isinstance(value, Made):
        keywords = {key: copied(run, item, depth - 1) for key, item in value.keywords.items()}
        return dataclasses.replace(value, keywords=keywords)
    if isinstance(value, tuple) and not isinstance(value, Record):
        return tuple(copied(run, item, depth - 1) for item in value)
    return value


def _replace(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """``dataclasses.replace`` of a node's schema or of the pack's own record; of others it is noted."""
    value = args[0]
    if isinstance(value, Made) and value.path.endswith(".Schema"):
        return dataclasses.replace(value, keywords={**value.keywords, **keywords})
    if isinstance(value, Instance):
        return Instance(value.of, Dict({**value.names, **keywords}))
    return Made(run.external("dataclasses.replace"), args, dict(keywords), "", 0)


def _folder_paths(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    if args[:1] == ("custom_nodes",):
        return List([PLACE])
    return Made(run.external("folder_paths.get_folder_paths"), args, dict(keywords), "", 0)


def _working_folder(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return MODELS_HOST


def _file_loader(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    """A loader, which is as good as the specification that holds it."""
    return _spec(run, args, keywords if len(args) > 1 else {"location": keywords.get("path")})


def _spec_from_loader(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return args[1] if len(args) > 1 else keywords.get("loader")


def _load_source(run: Interpreter, args: Arguments, keywords: Keywords) -> Value:
    return run.load_path(text_of(args[1]))


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
        "importlib.util.spec_from_loader": _spec_from_loader,
        **dict.fromkeys(("importlib.machinery.SourceFileLoader", "importlib.abc.SourceLoader"), _file_loader),
        "imp.load_source": _load_source,
        "importlib.reload": _same,
        "pkgutil.iter_modules": _iter_modules,
        "pkgutil.walk_packages": _walk_packages,
        "folder_paths.get_folder_paths": _folder_paths,
        **dict.fromkeys(("os.getcwd", "pathlib.Path.cwd"), _working_folder),
        "inspect.getmembers": _getmembers,
        "inspect.currentframe": _current_frame,
        **dict.fromkeys(("inspect.getfile", "inspect.getsourcefile", "inspect.getabsfile"), _file_of),
        **dict.fromkeys(("fnmatch.fnmatch", "fnmatch.fnmatchcase"), _matches),
        "fnmatch.filter": _matching,
        "types.MappingProxyType": _ordered_dict,
        "inspect.isclass": _isclass,
        "inspect.isfunction": _isfunction,
        "collections.OrderedDict": _ordered_dict,
        "collections.defaultdict": _default_dict,
        "collections.ChainMap": _chain_map,
        "itertools.zip_longest": BUILTINS["itertools.zip_longest"],
        "copy.copy": _copy,
        "dataclasses.replace": _replace,
        "copy.deepcopy": _deep_copy,
        **functional.FUNCTIONS,
        **opened_files.FUNCTIONS,
        **regular_expressions.FUNCTIONS,
        "typing.cast": lambda run, args, keywords: args[1],
    }
)
