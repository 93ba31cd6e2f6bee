"""API keys: who may ask for what. A file has their hashes alone; a key itself is shown once, when it is made.

    [keys.laptop]
    sha256 = "…"
    scopes = ["run"]

A key has 256 random bits, so one round of SHA-256 hides it as well as any slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from host.errors import HostError
from sdk.commands import ExitCode
from sdk.web import Scope

PREFIX = "cn_"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")
_INCLUDED: Mapping[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.RUN: frozenset({Scope.READ, Scope.RUN}),
    Scope.ADMIN: frozenset(Scope),
}


class BadKeyFile(HostError):
    """A file of keys that can't be used; ``problems`` has all of them."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path, self.problems = path, tuple(problems)
        super().__init__(path, self.problems)

    def __str__(self) -> str:
        return f"the file of API keys {self.path}: {'; '.join(self.problems)}"


@dataclass(frozen=True)
class ApiKey:
    """One key's entry.

    Attributes:
        scopes: what it allows; ``run`` includes ``read``, ``admin`` everything.
    """

    name: str
    sha256: str
    scopes: frozenset[Scope]

    def allows(self, scope: Scope) -> bool:
        """Whether a request that needs this scope may be made."""
        return any(scope in _INCLUDED[own] for own in self.scopes)


class ApiKeys:
    """The keys of one server; frozen once they are read."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def find(self, said: str) -> ApiKey | None:
        """The entry of a key. Takes as long for one that is nearly right as for any other."""
        digest = _digest(said)
        found = [key for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        return found[0] if found else None


def read_keys(path: Path) -> ApiKeys:
    """The keys of a file.

    Raises:
        BadKeyFile: it can't be read, or an entry makes no sense; every fault is listed.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8")).get("keys")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadKeyFile(path, [str(error)]) from error
    if not isinstance(said, Mapping) or not said:
        raise BadKeyFile(path, ["it holds no keys; `comfy-nodes api-key` adds one"])
    problems: list[str] = []
    keys = [_entry(name, entry, problems) for name, entry in said.items()]
    if problems:
        raise BadKeyFile(path, problems)
    return ApiKeys(key for key in keys if key is not None)


def add_key(path: Path, name: str, scopes: Iterable[Scope]) -> str:
    """A new key, whose hash is added to the file; only its owner may read a file that is made.

    Raises:
        BadKeyFile: the name is taken or none, or the file can't be read or written.
    """
    if not NAME.fullmatch(name):
        raise BadKeyFile(path, [f"a key can't be called {name!r}; use letters, digits, - and _"])
    if path.is_file() and path.stat().st_size:
        read_keys(path)
        if name in tomllib.loads(path.read_text(encoding="utf-8"))["keys"]:
            raise BadKeyFile(path, [f"there is a key called {name!r} already"])
    key = PREFIX + secrets.token_urlsafe(32)
    listed = ", ".join(f'"{scope.value}"' for scope in scopes)
    entry = f'[keys.{name}]\nsha256 = "{_digest(key)}"\nscopes = [{listed}]\n\n'
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, entry.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise BadKeyFile(path, [str(error)]) from error
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _entry(name: str, entry: object, problems: list[str]) -> ApiKey | None:
    digest = entry.get("sha256") if isinstance(entry, Mapping) else None
    scopes = entry.get("scopes") if isinstance(entry, Mapping) else None
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        problems.append(f"{name}: sha256 must be 64 hexadecimal digits")
        return None
    known = {scope.value for scope in Scope}
    if not isinstance(scopes, list) or not scopes or not known.issuperset(map(str, scopes)):
        problems.append(f"{name}: scopes must be some of {', '.join(sorted(known))}")
        return None
    return ApiKey(name, digest, frozenset(Scope(scope) for scope in scopes))
