"""The client's settings: one frozen ``ClientSettings``, from ``comfy-packs.toml`` and the command's flags.

The file lies in the base folder, or else in the user's configuration folder::

    find_links = ["/mnt/wheels"]        # folders or addresses with Python wheels
    offline = false
    keep_generations = 5
    accelerators = ["GPU :: NVIDIA CUDA"]  # where detection is wrong

    [[registry]]                        # the first that has a pack is the one it is taken from
    name = "ours"
    url = "https://registry.example"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_client.errors import BadSettings

FILE_NAME = "comfy-packs.toml"
_KINDS: Mapping[str, type] = {
    "registry": list,
    "find_links": list,
    "accelerators": list,
    "offline": bool,
    "keep_generations": int,
}


@dataclass(frozen=True)
class RegistrySettings:
    """A registry: its name in messages and locks, and the address of its root (http, https or file)."""

    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Everything that can be set about the client.

    Attributes:
        base_dir: the host's base folder; packs are kept beneath it.
        cache_dir: for copies of indexes.
        registries: in order of priority.
        find_links: folders or addresses with Python wheels, beside the indexes that uv is configured for.
        offline: ask no registry and no index.
        keep_generations: how many earlier states stay available.
        accelerators: what this machine has; None to detect it.
    """

    base_dir: Path
    cache_dir: Path
    registries: tuple[RegistrySettings, ...] = ()
    find_links: tuple[str, ...] = ()
    offline: bool = False
    keep_generations: int = 5
    accelerators: tuple[str, ...] | None = None


def load_settings(
    base_dir: Path, cache_dir: Path, config_dir: Path, *, registries: Sequence[str] = (), **flags: Any
) -> ClientSettings:
    """The settings of this run.

    Args:
        config_dir: the user's configuration folder; its file is read where the base folder has none.
        registries: addresses that take the place of the file's; a name may go before one: ``ours=https://…``.
        flags: by field; None means "not given".

    Raises:
        BadSettings: the file is no TOML, or says something that can't be used.
    """
    data = _read(base_dir / FILE_NAME)
    if data is None:
        data = _read(config_dir / FILE_NAME) or {}
    listed = tuple(_from_flag(text) for text in registries) or tuple(_from_table(t) for t in data.get("registry", ()))
    values = {name: value for name, value in data.items() if name != "registry"}
    values |= {name: value for name, value in flags.items() if value is not None}
    for name in ("find_links", "accelerators"):
        if name in values:
            values[name] = tuple(str(item) for item in values[name])
    return ClientSettings(base_dir=base_dir, cache_dir=cache_dir, registries=listed, **values)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: {error}") from error
    problems = [f"there is no setting {name!r}" for name in data if name not in _KINDS]
    problems += [
        f"{name} must be a {kind.__name__}"
        for name, kind in _KINDS.items()
        if name in data and not isinstance(data[name], kind)
    ]
    problems += [
        f"[[registry]] number {place} needs a url"
        for place, table in enumerate(data.get("registry", ()), 1)
        if not isinstance(table, dict) or not isinstance(table.get("url"), str)
    ]
    if problems:
        raise BadSettings(f"{path}: " + "; ".join(problems))
    return data


def _from_table(table: Mapping[str, Any]) -> RegistrySettings:
    return RegistrySettings(str(table.get("name") or table["url"]), table["url"].rstrip("/"))


def _from_flag(text: str) -> RegistrySettings:
    name, separator, url = text.partition("=")
    if separator and "://" in url:
        return RegistrySettings(name, url.rstrip("/"))
    if "://" not in text:
        return RegistrySettings(text, Path(text).absolute().as_uri())
    return RegistrySettings(text, text.rstrip("/"))
