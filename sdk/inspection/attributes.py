"""What an attribute of a value is worth."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdk.inspection import functional, methods, opened_files, paths
from sdk.inspection.enums import enum_names, is_enum
from sdk.inspection.files import MODELS_HOST
from sdk.inspection.values import (
    Bound,
    CannotKnow,
    Class,
    Dict,
    External,
    FileValue,
    Function,
    Instance,
    List,
    Made,
    Module,
    Native,
    PathValue,
    Record,
    Subscripted,
    Super,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

MISSING = object()
MODULE_SPEC = "importlib.util.spec_from_file_location"
_HOST_NODES = frozenset({"nodes", "comfy_extras", "comfy_api_nodes", "custom_nodes"})
_DOES_NOTHING = frozenset({"__init__", "__init_subclass__", "__post_init__", "__set_name__"})
_SAME_EVERYWHERE: Mapping[str, Value] = types.MappingProxyType(
    {
        **dict.fromkeys(("os.sep", "os.path.sep", "posixpath.sep"), "/"),
        "os.extsep": ".",
        "os.curdir": ".",
        "os.pardir": "..",
        "os.linesep": "\n",
        "typing.TYPE_CHECKING": False,
        "nodes.MAX_RESOLUTION": 16384,
        "folder_paths.base_path": MODELS_HOST,
        "folder_paths.__file__": f"{MODELS_HOST}/folder_paths.py",
    }
)


def attribute(run: Interpreter, value: Value, name: str) -> Value:
    """``value.name``.

    Raises:
        CannotKnow: there is no such attribute, or only running the code tells.
    """
    found = find(run, value, name)
    if found is not MISSING:
        return found
    reason = f"nothing is known of the attribute {name!r}"
    if _is_wholly_known(value):
        run.refuse(reason, "AttributeError")
    raise CannotKnow(reason)


def _is_wholly_known(value: Value) -> bool:
    """Whether an attribute that is not found is not there."""
    if isinstance(value, Module):
        return bool(value.file) and "\0stars" not in value.names and not value.names.holes
    line = value.line() if isinstance(value, Class) else value.of.line() if isinstance(value, Instance) else ()
    return value is None or (
        bool(line) and not any(isinstance(b, External | Made | Unknown | Subscripted) for b in line)
    )


def of_library(path: str) -> Value:
    """Something of a library; what it is worth where every installation has the same."""
    return _SAME_EVERYWHERE.get(path, External(path))


def has(run: Interpreter, value: Value, name: str) -> bool:
    """``hasattr(value, name)``.

    Raises:
        CannotKnow: only running the code tells.
    """
    if isinstance(value, External | Made) and name.isupper() and not is_of_host_nodes(value):
        return False  # a library has none of the names by which nodes are known
    if isinstance(value, External | Made | Unknown | Subscripted):
        raise CannotKnow("whether it has the attribute is known only when the code runs")
    if find(run, value, name) is not MISSING:
        return True
    outside = isinstance(value, Class) and any(
        isinstance(base, External | Made | Unknown) and name.isupper() is False for base in value.line()
    )
    if outside:
        raise CannotKnow("a base class from outside the pack may have the attribute")
    return False


def is_of_host_nodes(value: External | Made) -> bool:
    """Whether it may be one of the host's node classes."""
    return value.path.split(".")[0] in _HOST_NODES


def find(run: Interpreter, value: Value, name: str) -> Value:
    """The attribute, or a mark that nothing is known of it."""
    match value:
        case Unknown():
            raise CannotKnow(value.reason)
        case Module():
            return _of_module(run, value, name)
        case External():
            return of_library(f"{value.path}.{name}") if value.owner is None else External(f"{value.path}.{name}")
        case Made():
            return _of_made(run, value, name)
        case Subscripted():
            return External(f"{_path(value)}().{name}", owner=value)
        case Class():
            return _of_class(run, value, value, name)
        case Super():
            return _of_super(run, value, name)
        case Instance():
            return value.names[name] if name in value.names else _of_class(run, value.of, value, name)
        case Function():
            return {"__name__": value.name, "__doc__": _docstring(value.node)}.get(name, MISSING)
    return _of_plain(run, value, name)


def _of_plain(run: Interpreter, value: Value, name: str) -> Value:
    """Of Python's own types, and of the standard library's."""
    match value:
        case PathValue():
            return paths.attribute(run, value, name, MISSING)
        case Dict() if value.of is not None:
            return _of_mapping(run, value, value.of, name)
        case Dict() | List() | str():
            return methods.method(run, value, name, MISSING)
        case Record():
            return value[value.fields.index(name)] if name in value.fields else MISSING
        case FileValue():
            return opened_files.attribute(value, name, MISSING)
        case Native():
            return value.name if name == "__name__" else MISSING
        case type():
            return methods.of_type(run, value, name, MISSING)
    return MISSING


def _of_made(run: Interpreter, value: Made, name: str) -> Value:
    if value.path == MODULE_SPEC and name in ("loader", "load_module"):
        load = Native(name, lambda args, keywords: run.load_path(paths.text_of(value.args[0])))
        return value if name == "loader" else load
    if name in value.keywords:
        return value.keywords[name]
    if name == "map" and value.path.endswith("PoolExecutor"):
        return Native(name, lambda args, keywords: functional.executor_map(run, args))
    if value.path.endswith(".Schema"):
        return _of_schema(value, name)
    return External(f"{_path(value)}().{name}", owner=value)


def _of_schema(value: Made, name: str) -> Value:
    """What a node's schema has where its maker says nothing of it."""
    if name in ("inputs", "outputs", "hidden"):
        return value.keywords.setdefault(name, List())
    if name == "node_id" and value.args:
        return value.args[0]
    return None


def _of_mapping(run: Interpreter, value: Dict, cls: Class, name: str) -> Value:
    if name in value.attributes:
        return value.attributes[name]
    found = _of_class(run, cls, value, name)
    return methods.method(run, value, name, MISSING) if found is MISSING else found


def _path(value: Made | Subscripted) -> str:
    return value.path if isinstance(value, Made) else getattr(value.value, "path", "")


def _of_module(run: Interpreter, module: Module, name: str) -> Value:
    if name in module.names:
        return module.names[name]
    if name == "__dict__":
        return module.names
    return run.submodule(module, name) or MISSING


def _of_class(run: Interpreter, cls: Class, owner: Value, name: str) -> Value:
    if is_enum(cls) and isinstance(owner, Class) and name in enum_names(cls):
        return Instance(cls, Dict({"name": name, "value": cls.names[name], "_value_": cls.names[name]}))
    if any(name in each.names for each in cls.line() if isinstance(each, Class)):
        return _bind(run, cls.lookup(name), cls, owner)
    if name == "__subclasses__":
        return Native(name, lambda args, keywords: List(each for each in run.classes if cls in each.bases))
    if name == "GET_SCHEMA" and cls.is_from("ComfyNode"):
        return Native(name, lambda args, keywords: run.call_here(attribute(run, owner, "define_schema"), ()))
    if name in ("Input", "Output") and "io_type" in cls.names:
        owned = Made(External("io.Custom"), (cls.names["io_type"],), {}, "", 0)
        return External(f"io.Custom().{name}", owner=owned)
    special = _special(cls, owner, name)
    if special is not MISSING:
        return special
    return MISSING


def _of_super(run: Interpreter, value: Super, name: str) -> Value:
    owner_class = value.owner.of if isinstance(value.owner, Instance | Dict) else value.owner
    for each in owner_class.after(value.cls) if isinstance(owner_class, Class) else ():
        if isinstance(each, Class) and name in each.names:
            return _bind(run, each.names[name], each, value.owner, through_super=True)
        if isinstance(value.owner, Dict) and not isinstance(each, Class):
            return methods.method(run, value.owner, name, Native(name, lambda args, keywords: None))
        if each is type:
            return methods.of_type(run, type, name, MISSING)
        if isinstance(each, External | Made | Unknown):
            raise CannotKnow("a base class from outside the pack has the method")
    return Native(name, lambda args, keywords: None) if name in _DOES_NOTHING else MISSING


def _special(cls: Class, owner: Value, name: str) -> Value:
    match name:
        case "__name__" | "__qualname__" if isinstance(owner, Class):
            return cls.name
        case "__class__":
            return cls
        case "__module__":
            return cls.scope.module.names.get("__name__", "")
        case "__doc__":
            return _docstring(cls.node) if cls.node else None
        case "__dict__":
            return cls.names
        case "__bases__":
            return cls.bases
        case "__mro__":
            return tuple(cls.line())
        case _:
            return MISSING


def _bind(run: Interpreter, found: Value, cls: Class, owner: Value, *, through_super: bool = False) -> Value:
    if not isinstance(found, Function):
        return found
    if found.binding == "classmethod":
        return Bound(found, owner.of if isinstance(owner, Instance) else owner)
    if found.binding == "property":
        return found if owner is cls else run.invoke(found, (owner,), {})
    if found.binding == "staticmethod" or (owner is cls and not through_super):
        return found
    return Bound(found, owner)


def _docstring(node: ast.AST) -> str | None:
    return ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else None
