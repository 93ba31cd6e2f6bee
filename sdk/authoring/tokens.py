"""Keeps an author's tokens: in the system's keyring where there is one, else in a file only the user can read."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sdk.authoring.errors import TokensUnusable
from sdk.part_files import remove_stale_parts
from sdk.whole_files import whole_file

SERVICE = "comfy-nodes"
TOKEN_VARIABLE = "COMFY_PACKS_TOKEN"
_MODE = 0o600


class TokenStore(Protocol):
    """Tokens by a registry's address."""

    @property
    def place(self) -> str:
        """Where they are, for people."""

    def get(self, registry: str) -> str | None: ...
    def put(self, registry: str, token: str) -> None: ...
    def forget(self, registry: str) -> bool:
        """Whether there was one."""


@dataclass(frozen=True)
class FileStore:
    """A JSON file with mode 0600, replaced as a whole by each change. Raises TokensUnusable where it can't be used."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    def get(self, registry: str) -> str | None:
        return self._read().get(registry)

    def put(self, registry: str, token: str) -> None:
        self._write(self._read() | {registry: token})

    def forget(self, registry: str) -> bool:
        tokens = self._read()
        if registry not in tokens:
            return False
        self._write({name: token for name, token in tokens.items() if name != registry})
        return True

    def _read(self) -> dict[str, str]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(name): str(token) for name, token in data.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise TokensUnusable(self.place, error) from error

    def _write(self, tokens: dict[str, str]) -> None:
        try:
            self._replace(tokens)
        except OSError as error:
            raise TokensUnusable(self.place, error) from error

    def _replace(self, tokens: dict[str, str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_stale_parts(self.path.parent)
        with whole_file(self.path) as part:
            part.touch(_MODE, exist_ok=False)
            part.write_text(json.dumps(tokens, indent=1, sort_keys=True), encoding="utf-8")


@dataclass(frozen=True)
class KeyringStore:
    """The system's keyring, through the ``keyring`` package; ``errors`` are those of its backends."""

    backend: Any
    errors: tuple[type[Exception], ...] = ()

    @property
    def place(self) -> str:
        return f"the keyring ({self.backend.name})"

    def get(self, registry: str) -> str | None:
        with self._usable():
            token: str | None = self.backend.get_password(SERVICE, registry)
        return token

    def put(self, registry: str, token: str) -> None:
        with self._usable():
            self.backend.set_password(SERVICE, registry, token)

    def forget(self, registry: str) -> bool:
        if self.get(registry) is None:
            return False
        with self._usable():
            self.backend.delete_password(SERVICE, registry)
        return True

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except self.errors as error:  # it is locked, or gone
            raise TokensUnusable(self.place, error) from error


def default_store(file: Path | None = None) -> TokenStore:
    """The keyring, or the file where there is no keyring that works.

    Args:
        file: use this file, whatever there is.
    """
    if file is not None:
        return FileStore(file)
    if (backend := _keyring()) is not None:
        return backend
    from platformdirs import user_config_path

    return FileStore(user_config_path("comfy-nodes", appauthor=False) / "tokens.json")


def _keyring() -> KeyringStore | None:
    """With the backend that the package has chosen; None without the package, or where no backend works."""
    try:
        keyring = importlib.import_module("keyring")
    except ModuleNotFoundError:
        return None
    backend = keyring.get_keyring()
    return KeyringStore(backend, (keyring.errors.KeyringError,)) if backend.priority > 0 else None
