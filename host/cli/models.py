"""``comfy-nodes models``: every model file, what it is, and why we think so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from host.cli import options
from host.quantities import format_bytes
from sdk import terminal

if TYPE_CHECKING:
    from host.app import Host
    from host.models.errors import ModelError
    from host.models.opening import ModelFiles
    from sdk.models import Header, PatchFormat

Kind = Annotated[str | None, typer.Option(metavar="FOLDER", help="Only files of this kind: checkpoints, loras, vae …")]
Loaded = Annotated[
    bool, typer.Option("--loaded", metavar="", help="What a running server has in memory, instead of files.")
]
Server = Annotated[str, typer.Option(metavar="URL", help="The server that --loaded asks.")]
ApiKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", envvar="COMFY_NODES_API_KEY", help="For a server that wants a key."),
]
PARTS_OF_OTHERS = ("loras", "embeddings", "hypernetworks", "model_patches")
"""Folders of files that change other models; no family claims them."""
ABOUT_MODELS = {"register_model_families", "register_patch_formats", "register_folders", "identify_model"}
"""The hooks that say what a file is."""


def models(
    kind: Kind = None,
    models_dir: options.ModelsDir = None,
    base_dir: options.BaseDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
    loaded: Loaded = False,
    server: Server = "http://127.0.0.1:8188",
    api_key: ApiKey = None,
) -> None:
    """List every model file: what it is, and the tensors that gave it away. Reads headers only."""
    if loaded:
        from host.cli.loaded_models import show_loaded

        show_loaded(server, api_key, as_json=as_json)
        return
    from host.plugins import hook_names

    host = options.open_host(
        log_level,
        without=hook_names() - ABOUT_MODELS,
        models_dir=models_dir,
        base_dir=base_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
    )
    if kind is not None and kind not in host.library.kinds:
        raise typer.BadParameter(f"{kind!r} is no kind of model; there are {', '.join(host.library.kinds)}")
    rows = list(describe_files(host, kind))
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print(rows, terminal.stdout(), host.settings.models_dir)


def describe_files(host: Host, kind: str | None) -> Iterator[dict[str, Any]]:
    """What is known of each model file; ``usable`` is false for those nobody can use."""
    from host.models.identity_cache import open_identity_cache
    from host.models.opening import ModelFiles

    families = [family for _, family in host.registry.contributions("families")]
    formats = [patch_format for _, patch_format in host.registry.contributions("patch_formats")]
    identities = open_identity_cache(host.settings.base_dir, families)
    files = ModelFiles(host.library, families, host.registry.manager.hook, identities)
    listed: dict[tuple[int, int], str] = {}
    for folder in [kind] if kind else host.library.kinds:
        for name in host.library.names(folder):
            path = host.library.find(folder, name)
            facts = {"folder": folder, "name": name, **_size(path, f"{folder}/{name}", listed)}
            yield {**facts, **_identify(files, formats, path, folder)}


def _size(path: Path, name: str, listed: dict[tuple[int, int], str]) -> dict[str, Any]:
    """A file's bytes, and under which name this very file was listed before: links are no further files."""
    try:
        status = path.stat()
    except OSError:
        return {"bytes": 0, "same_as": None}  # gone since it was listed; reading it says so
    first = listed.setdefault((status.st_dev, status.st_ino), name) if status.st_ino else name
    return {"bytes": status.st_size, "same_as": None if first == name else first}


def _identify(files: ModelFiles, formats: Sequence[PatchFormat], path: Path, folder: str) -> dict[str, Any]:
    from host.models.errors import ModelError, UnknownModel

    try:
        identity = files.identify(path)
    except UnknownModel as error:
        if folder in PARTS_OF_OTHERS:
            return _described_by_header(files.header(path), formats)
        return _not_usable(error, "unknown")
    except ModelError as error:
        return _not_usable(error, "damaged or unsafe")
    facts = {"usable": True, "family": identity.family, "kind": identity.kind, "why": identity.because}
    return {**facts, "config": dict(identity.config)}


def _described_by_header(header: Header, formats: Sequence[PatchFormat]) -> dict[str, Any]:
    counts = {patch_format.name: patch_format.count(header) for patch_format in formats}
    found = {name: count for name, count in counts.items() if count}
    names = list(header.tensors)
    example = f", such as {names[0]}" if names else ""
    layers = ", ".join(f"{count} changes of kind {name}" for name, count in found.items())
    why = f"{layers or f'{len(names)} tensors for other models'}{example}; whether they fit is seen when it is applied"
    return {"usable": True, "family": "", "kind": " + ".join(found) or "part", "why": why, "config": {}}


def _not_usable(error: ModelError, kind: str) -> dict[str, Any]:
    from host.models.errors import ModelFileError, UnknownModel

    if isinstance(error, UnknownModel):
        why = f"it holds {error.holding}; no family knows it: {error.said}"
    elif isinstance(error, ModelFileError):
        why = f"{error.problem}. {error.remedy}"
    else:
        why = str(error)
    return {"usable": False, "family": "", "kind": kind, "why": why, "config": {}}


def _print(rows: list[dict[str, Any]], console: Console, folder: Path) -> None:
    if not rows:
        terminal.say(console, f"no model files below {folder}")
    elif not console.is_terminal:
        lines = [(f"{row['folder']}/{row['name']}", format_bytes(row["bytes"]), _what(row), row["why"]) for row in rows]
        terminal.print_table(console, ("file", "size", "what", "why"), lines)
    else:
        for row in rows:
            style = "green" if row["usable"] else "red"
            name = Text(f"{row['folder']}/{row['name']}", style="bold")
            console.print(name, Text(format_bytes(row["bytes"]), style="dim"), Text(_what(row), style=style))
            console.print(Padding(Text(row["why"], style="dim" if row["usable"] else ""), (0, 0, 0, 4)))
    if rows:
        terminal.say(terminal.stderr() if not console.is_terminal else console, _summary(rows, folder))


def _what(row: dict[str, Any]) -> str:
    return f"{row['family']} {row['kind']}".strip()


def _summary(rows: list[dict[str, Any]], folder: Path) -> str:
    kinds = Counter(_what(row) for row in rows)
    size = format_bytes(sum(row["bytes"] for row in rows if row["same_as"] is None))
    counted = ", ".join(f"{count} {what}" for what, count in kinds.most_common())
    return f"{len(rows)} file{'s' * (len(rows) != 1)}, {size}, below {folder}: {counted}"
