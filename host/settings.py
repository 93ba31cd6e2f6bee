"""One frozen ``Settings``, built once: defaults, then the file, then the environment, then flags.

The file is ``comfy-nodes.toml`` in the base folder; the environment is ``COMFY_NODES_<NAME>`` for each field
below; flags are those of the command line. Later ones win. An unknown name or an unusable value is an error. What
packs themselves can be told stands in tables of the file, ``[packs.<name>]``; only the pack knows what they mean.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.errors import SettingsError
from host.quantities import parse_bytes
from sdk.workspace import SETTINGS_FILE, default_base_dir

PREFIX = "COMFY_NODES_"
DEVICES = ("auto", "cpu", "cuda")
DTYPES = ("auto", "fp32", "fp16", "bf16")
PREVIEWS = ("none", "auto", "latent2rgb", "taesd")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set about a host.

    Attributes:
        base_dir: folder that holds ``models``, ``input``, ``output``, ``temp`` and ``user`` unless these are set.
        packs: names of the packs to load beside the built-ins; None for all that are installed.
        safe_mode: load the built-ins alone; packs may be named only in an earlier layer, which it then overrules.
        pack_settings: what the file says to packs, by their names.
        pack_dirs: packs under development, or folders of such.
        pack_timeout: seconds a pack may take to load.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` …
        dtype: what models compute in: ``auto``, ``fp32``, ``fp16``, ``bf16``.
        compile: compile for this machine what models repeat, where that works.
        vram: bytes of device memory that weights may take; None for what the device has.
        runner: what runs jobs; ``local`` is this process.
        cache: where results are kept: ``memory``, ``memory:4GiB``, ``lru:100``, ``disk:/path`` or ``none``.
        preview: pictures while sampling: ``none``, ``auto``, ``latent2rgb`` or ``taesd``.
        listen, port: address of the server; port 0 for any that is free.
        allow_public: let the server listen on addresses that are not loopback without an API key.
        allowed_hosts: names by which requests may address a server on a loopback address, beside ``localhost``.
        cors_origin: the one origin that pages of other sites may come from; ``*`` for any, None for none.
        max_upload_size: bytes of the largest body of a request.
        history_size: how many ended jobs are kept.
        requeue: run jobs again that an earlier process left running.
        api_key_file: keys that requests must show; None lets everybody in.
        multi_user: keep files and settings of the front end apart for each user.
        webhook_secret: signs what is sent to webhooks; None turns webhooks off.
        webhook_hosts: the only hosts that webhooks may name; empty for any that is public.
        webhook_private: let webhooks name loopback and private addresses, too.
    """

    base_dir: Path
    models_dir: Path
    input_dir: Path
    output_dir: Path
    temp_dir: Path
    packs: tuple[str, ...] | None = None
    pack_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    safe_mode: bool = False
    pack_dirs: tuple[Path, ...] = ()
    pack_timeout: float = 120.0
    device: str = "auto"
    dtype: str = "auto"
    compile: bool = False
    vram: int | None = None
    runner: str = "local"
    cache: str = "memory"
    preview: str = "none"
    listen: str = "127.0.0.1"
    port: int = 8188
    allow_public: bool = False
    allowed_hosts: tuple[str, ...] = ()
    cors_origin: str | None = None
    max_upload_size: int = 100 * 2**20
    history_size: int = 10_000
    requeue: bool = False
    api_key_file: Path | None = None
    multi_user: bool = False
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_hosts: tuple[str, ...] = ()
    webhook_private: bool = False


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str], current: Path) -> Settings:
    """The settings of this run.

    Args:
        flags: by field name; None means "not given".
        environment: the process's environment.
        current: the current folder; it is the base folder if it holds ``models`` or ``comfy-nodes.toml``.

    Raises:
        SettingsError: every unknown name and unusable value, each with where it was said.
    """
    said = {name: value for name, value in flags.items() if value is not None}
    from_environment = {
        name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)
    }
    base = Path(said.get("base_dir") or from_environment.get("base_dir") or default_base_dir(current)).absolute()
    problems: list[str] = []
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    of_file, pack_settings = _without_packs(_read_file(base), str(base / SETTINGS_FILE), problems)
    for where, layer in ((str(base / SETTINGS_FILE), of_file), ("environment", from_environment), ("flags", said)):
        for name, value in layer.items():
            try:
                values[name] = _convert(name, value)
                places.pop(name, None)
                places[name] = where
            except (ValueError, TypeError) as error:
                problems.append(f"{where}: {name} = {value!r}: {error}")
    problems += _contradictions(values, places)
    if problems:
        raise SettingsError(problems)
    values["base_dir"] = base
    for name in ("models", "input", "output", "temp"):
        values[f"{name}_dir"] = Path(values.get(f"{name}_dir", base / name)).absolute()
    return Settings(**values, pack_settings=pack_settings)


def _contradictions(values: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """Packs that are asked for where safe mode would leave them out, unless safe mode was asked for after them.

    Args:
        places: where the value of each setting was said; what an earlier layer said comes first.
    """
    if not (values.get("safe_mode") and values.get("packs")):
        return []
    layers = list(dict.fromkeys(places.values()))
    if layers.index(places["packs"]) < layers.index(places["safe_mode"]):
        return []
    return [
        f"{places['packs']}: packs = {','.join(values['packs'])!r}: safe_mode ({places['safe_mode']}) loads the "
        "built-ins alone; leave out one of the two"
    ]


def _read_file(base: Path) -> Mapping[str, Any]:
    path = base / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError([f"{path}: {error}"]) from error


def _without_packs(
    said: Mapping[str, Any], where: str, problems: list[str]
) -> tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The host's own settings in a file, and those of packs: the tables in its table ``packs``.

    The list of packs to load, for which the same name stands, is ``packs.only`` in a file with such tables.
    """
    packs = said.get("packs")
    if not isinstance(packs, Mapping):
        return said, {}
    rest = {name: value for name, value in said.items() if name != "packs"}
    if isinstance(packs.get("only"), list):
        rest["packs"] = packs["only"]
    tables = {name: table for name, table in packs.items() if isinstance(table, Mapping)}
    strange = [name for name in packs.keys() - tables.keys() if name != "only" or "packs" not in rest]
    problems += [f"{where}: packs.{name}: expected a table [packs.{name}] with the pack's settings" for name in strange]
    return rest, tables


def _convert(name: str, value: Any) -> Any:
    known = {field.name for field in dataclasses.fields(Settings)} - {"pack_settings"}
    if name not in known:
        raise ValueError(f"there is no such setting; known are {', '.join(sorted(known))}")
    if name.endswith("_dir"):
        return Path(value).expanduser()
    return _CONVERT.get(name, str)(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("expected true or false")


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    return tuple(item.strip() for item in items if item.strip())


def _folders(value: Any) -> tuple[Path, ...]:
    items = value.split(os.pathsep) if isinstance(value, str) else value
    return tuple(Path(item).expanduser().absolute() for item in items)


def _choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if str(value).partition(":")[0] not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return str(value)

    return convert


def _whole_number(least: int, most: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = int(value)
        if isinstance(value, bool | float) or not least <= number <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return number

    return convert


_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "allow_public": _flag,
    "allowed_hosts": lambda value: tuple(name.lower() for name in _names(value)),
    "api_key_file": lambda value: Path(value).expanduser(),
    "device": _choice(DEVICES),
    "compile": _flag,
    "dtype": _choice(DTYPES),
    "history_size": _whole_number(1, 10_000_000),
    "max_upload_size": parse_bytes,
    "multi_user": _flag,
    "pack_dirs": _folders,
    "pack_timeout": float,
    "packs": _names,
    "port": _whole_number(0, 65535),
    "preview": _choice(PREVIEWS),
    "requeue": _flag,
    "safe_mode": _flag,
    "vram": parse_bytes,
    "webhook_hosts": _names,
    "webhook_private": _flag,
}
"""How settings are read that are not mere text."""
