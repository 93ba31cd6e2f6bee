"""``comfy-nodes models``: every model file, what it is, and why we think so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from host.cli import options
from host.quantities import format_bytes

if TYPE_CHECKING:
    from host.app import Host

Kind = Annotated[str | None, typer.Option(help="Only this folder: checkpoints, loras, vae …")]


def models(
    kind: Kind = None,
    models_dir: options.ModelsDir = None,
    base_dir: options.BaseDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """List every model file: its family, its parts, and the tensors that gave it away. Reads headers only."""
    host = options.open_host(
        log_level,
        models_dir=models_dir,
        base_dir=base_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
    )
    rows = list(_describe_files(host, kind))
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("file", "size", "family", "kind", "why", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            f"{row['folder']}/{row['name']}", format_bytes(row["bytes"]), row["family"], row["kind"], row["why"]
        )
    Console().print(table if rows else f"no model files below {host.settings.models_dir}")


def _describe_files(host: Host, kind: str | None) -> Iterator[dict[str, Any]]:
    from host.models.opening import ModelFiles

    families = [family for _, family in host.registry.contributions("families")]
    files = ModelFiles(host.library, families, host.registry.manager.hook)
    for folder in [kind] if kind else host.library.kinds:
        for name in host.library.names(folder):
            path = host.library.find(folder, name)
            yield {"folder": folder, "name": name, "bytes": path.stat().st_size, **_identify(files, path)}


def _identify(files: Any, path: Path) -> dict[str, Any]:
    from host.models.errors import ModelError

    try:
        identity = files.identify(path)
    except ModelError as error:
        return {"family": "?", "kind": "?", "why": str(error), "config": {}}
    facts = {"family": identity.family, "kind": identity.kind, "why": identity.because}
    return {**facts, "config": dict(identity.config)}
