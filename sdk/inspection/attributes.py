"""What an attribute of a value is worth."""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING

from sdk.inspection import methods, paths
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
    PathValue,
    Subscripted,
    Super,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from sdk.inspection.interpreter import Interpreter

MISSING = object()


def attribute(run: Interpreter, value: Value, name: str) -> Value:
    """``value.name``.

    Raises:
        CannotKnow: there is no such attribute, or only running the code tells.
    """
    found = find(run, value, name)
    if found is MISSING:
        raise CannotKnow(f"nothing is known of the attribute {name!r}")
    return found


def has(run: Interpreter, value: Value, name: str) -> bool:
    """``hasattr(value, name)``.

    Raises:
        CannotKnow: only running the code tells.
    """
    if isinstance(value, External) and value.is_module and name.isupper():
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


def find(run: Interpreter, value: Value, name: str) -> Value:
    """The attribute, or a mark that nothing is known of it."""
    match value:
        case Unknown():
            raise CannotKnow(value.reason)
        case Module():
            return _of_module(run, value, name)
        case External():
            return External(f"{value.path}.{name}")
        case Made() | Subscripted():
            return External(f"{_path(value)}().{name}", owner=value)
        case Class():
            return _of_class(run, value, value, name)
        case Super():
            return _of_super(run, value, name)
        case Instance():
            return value.names[name] if name in value.names else _of_class(run, value.of, value, name)
        case PathValue():
            return paths.attribute(run, value, name, MISSING)
        case Function():
            return {"__name__": value.name, "__doc__": _docstring(value.node)}.get(name, MISSING)
        case Dict() | List() | str():
            return methods.method(run, value, name, MISSING)
        case _:
            return MISSING


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
    special = _special(cls, owner, name)
    if special is not MISSING:
        return special
    return MISSING


def _of_super(run: Interpreter, value: Super, name: str) -> Value:
    owner_class = value.owner.of if isinstance(value.owner, Instance) else value.owner
    for each in owner_class.after(value.cls) if isinstance(owner_class, Class) else ():
        if isinstance(each, Class) and name in each.names:
            return _bind(run, each.names[name], each, value.owner, through_super=True)
        if isinstance(each, External | Made | Unknown):
            raise CannotKnow("a base class from outside the pack has the method")
    return MISSING


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


def is_enum(cls: Class) -> bool:
    """Whether it is an enumeration."""
    return any(cls.is_from(name) for name in ("Enum", "StrEnum", "IntEnum"))


def enum_names(cls: Class) -> list[str]:
    """The members' names."""
    return [name for name, value in cls.names.items() if not name.startswith("_") and not isinstance(value, Function)]


def join_path(left: PathValue, right: Value) -> Value:
    """``left / right``."""
    text = right.text if isinstance(right, PathValue) else right
    if not isinstance(text, str):
        raise CannotKnow("the path is known only when the code runs")
    return PathValue(posixpath.join(left.text, text))
