"""``comfy-nodes check``: what a registry would say of a pack, before it is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk import terminal
from sdk.authoring.errors import ChecksFailed, FolderMissing

if TYPE_CHECKING:
    from sdk.checks import Finding
    from sdk.inspection import Inspection
    from sdk.manifest import PackManifest

Folder = Annotated[Path, typer.Argument(help="The pack's folder.", metavar="DIR")]
_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}


def check(
    folder: Folder = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="The pack's index document: find node ids that were lost since."),
    ] = None,
) -> None:
    """Check a pack with the registry's own rules; nothing of it is run.

    Ends with 12 if a finding is of high severity.
    """
    if not folder.is_dir():
        raise FolderMissing(folder)
    manifest, inspection, findings = _examine(folder, against)
    name = manifest.name if manifest else folder.resolve().name
    licence = _licence(folder, manifest)
    report = {
        "pack": name,
        "version": manifest.version if manifest else "",
        "licence": licence,
        "kind": inspection.kind,
        "nodes": [node.id for node in inspection.nodes],
        "complete": not inspection.unread,
        "findings": [finding.as_json() for finding in findings],
    }
    grave = sum(finding.severity == "high" for finding in findings)
    if grave and as_json:
        raise ChecksFailed(name, grave, report)
    if as_json:
        terminal.print_json(report, indent=1)
        return
    _print(name, licence, inspection, findings)
    if grave:
        raise ChecksFailed(name, grave, report)


def _examine(folder: Path, against: str | None) -> tuple[PackManifest | None, Inspection, list[Finding]]:
    from sdk.authoring.published import lost_nodes, read_published
    from sdk.checks import check_pack
    from sdk.errors import ManifestError
    from sdk.inspection import inspect_pack
    from sdk.manifest import read_manifest

    published = read_published(against) if against else None
    inspection = inspect_pack(folder)
    findings = list(check_pack(folder, inspection=inspection))
    try:
        manifest = read_manifest(folder)
    except ManifestError:  # a finding of its own
        return None, inspection, findings
    if published is not None:
        findings += lost_nodes(published, manifest.version, inspection)
        findings.sort(key=lambda finding: finding.order)
    return manifest, inspection, findings


def _licence(folder: Path, manifest: PackManifest | None) -> str:
    from sdk.inspection.licences import declared_licence, licence_name

    return licence_name(declared_licence(folder, manifest.license)) if manifest else ""


def _print(name: str, licence: str, inspection: Inspection, findings: Sequence[Finding]) -> None:
    from rich.text import Text

    out = terminal.stdout()
    for finding in findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file or name
        line = Text.assemble(place, ": ", (f"{finding.severity} {finding.id}", _STYLES[finding.severity]), " ")
        out.print(line.append(finding.message), soft_wrap=True)
        if finding.suppressed:
            terminal.say(out, f"    ignored by a comment: {finding.suppressed}", "dim")
        elif finding.fix:
            terminal.say(out, f"    {finding.fix}", "dim")
    counts = Counter(finding.severity for finding in findings)
    summary = ", ".join(f"{counts[severity]} {severity}" for severity in _STYLES if counts[severity])
    licensed = f"licence: {licence}; " if licence else ""
    terminal.say(out, f"{name}: {len(inspection.nodes)} nodes; {licensed}{summary or 'nothing to object to'}")
