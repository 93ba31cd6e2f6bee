"""Which registry an author's command speaks to: the option, the environment, or the client's settings file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdk.authoring.errors import NoRegistry

SETTINGS_FILE = "comfy-packs.toml"


def registry_address(said: str | None, folders: tuple[Path, ...] | None = None) -> str:
    """The address of a registry's root, without a slash at its end.

    Args:
        said: an address, ``name=address``, or the name of a registry in the settings file; None for the first of
            the settings file that has an address on the web.
        folders: where a settings file may lie, in order; by default the current base folder and the user's
            configuration folder.

    Raises:
        NoRegistry: none is named anywhere.
    """
    if said and "://" in said:
        return _address(said)
    known = _listed(_default_folders() if folders is None else folders)
    for name, address in known.items():
        if said in (None, "", name) and address.startswith(("http://", "https://")):
            return address.rstrip("/")
    raise NoRegistry


def _address(said: str) -> str:
    """``https://…`` as it is, and what stands behind the name in ``name=https://…``."""
    scheme = said.split("://", 1)[0]
    return said[scheme.rfind("=") + 1 :].rstrip("/")


def _default_folders() -> tuple[Path, ...]:
    from platformdirs import user_config_path

    from sdk.workspace import default_base_dir

    return default_base_dir(Path.cwd()), user_config_path("comfy-nodes", appauthor=False)


def _listed(folders: tuple[Path, ...]) -> dict[str, str]:
    """Addresses by name, of the first folder that has a settings file; a faulty file names none."""
    for folder in folders:
        data = _read(folder / SETTINGS_FILE)
        if data is not None:
            tables = data.get("registry", ())
            return {str(t.get("name") or t["url"]): str(t["url"]) for t in tables if isinstance(t, dict) and "url" in t}
    return {}


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
