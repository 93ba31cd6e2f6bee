"""``comfy-nodes pack``: build the archive that is published."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk import terminal
from sdk.authoring import options
from sdk.authoring.errors import FolderMissing, ImportDisagrees

if TYPE_CHECKING:
    from sdk.archives import ArchiveFacts

Folder = Annotated[Path, typer.Argument(help="The pack's folder.", metavar="DIR")]


def pack(
    folder: Folder = Path(),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: NAME-VERSION.zip in this folder.")
    ] = None,
    no_import: Annotated[
        bool, typer.Option("--no-import", help="Do not import the pack to compare its nodes with its code.")
    ] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Build a pack's archive: the same files always give the same bytes.

    Takes what git tracks, less .comfyignore, plus what `includes` under tool.comfy names, and adds nodes.json.
    """
    from sdk.inspection import inspect_pack
    from sdk.manifest import read_manifest

    if not folder.is_dir():
        raise FolderMissing(folder)
    manifest = read_manifest(folder)
    inspection = inspect_pack(folder)
    compared = ""
    if manifest.entry_points and not no_import:
        compared = _compare(folder, manifest.name)
    target = output or Path(f"{manifest.name}-{manifest.version}.zip")
    facts = _build(folder, target, dry_run=dry_run)
    result = {
        "archive": str(target),
        "written": not dry_run,
        "pack": manifest.name,
        "version": manifest.version,
        "sha256": facts.sha256,
        "size": facts.size,
        "files": len(facts.names),
        "nodes": len(inspection.nodes),
        "unread": len(inspection.unread),
    }
    if as_json:
        terminal.print_json(result, indent=1)
        return
    out = terminal.stdout()
    counts = f"{len(facts.names)} files, {facts.size:,} bytes, {len(inspection.nodes)} nodes"
    terminal.say(out, f"would write {target}: {counts}" if dry_run else f"{target}: {counts}")
    terminal.say(out, f"sha256 {facts.sha256}")
    if compared:
        terminal.say(terminal.stderr(), compared, "yellow")
    if inspection.unread:
        text = f"{len(inspection.unread)} places can't be read without running the code; see `comfy-nodes check`"
        terminal.say(terminal.stderr(), text, "yellow")


def _build(folder: Path, target: Path, *, dry_run: bool) -> ArchiveFacts:
    """Build the archive; elsewhere, and only to look at it, where nothing is to be written."""
    from sdk.archives import build_archive

    if not dry_run:
        return build_archive(folder, target)
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as place:
        return build_archive(folder, Path(place) / target.name)


def _compare(folder: Path, name: str) -> str:
    """A note where the pack can't be imported here.

    Raises:
        ImportDisagrees: importing it gives other nodes than its code shows.
    """
    from sdk.authoring.importing import differences, import_pack
    from sdk.inspection import inspect_pack

    imported = import_pack(folder)
    if imported.schemas is None:
        return f"the pack could not be imported here to compare its nodes: {imported.reason}"
    if problems := differences(inspect_pack(folder), imported.schemas):
        raise ImportDisagrees(name, problems)
    return ""
