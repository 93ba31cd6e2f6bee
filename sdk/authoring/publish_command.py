"""``comfy-nodes publish``: check a pack, build its archive, and send it to a registry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdk import terminal
from sdk.authoring import options
from sdk.authoring.errors import ChecksFailed, FolderMissing

if TYPE_CHECKING:
    from sdk.archives import ArchiveFacts
    from sdk.authoring.destinations import Destination
    from sdk.manifest import PackManifest

Folder = Annotated[Path, typer.Argument(help="The pack's folder.", metavar="DIR")]


def publish(
    folder: Folder = Path(),
    registry: options.Registry = None,
    to: Annotated[
        str, typer.Option("--to", metavar="ours|comfy", help="`comfy` speaks the Comfy Registry's API.")
    ] = "ours",
    changelog: Annotated[str, typer.Option(metavar="TEXT", help="What is new in this version.")] = "",
    changelog_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same, from a file.", exists=True, dir_okay=False)
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Use the identity of the build that runs this, instead of a token.")
    ] = False,
    token_file: options.TokenFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Check a pack, build its archive and publish it. Versions never change once they are published."""
    from sdk.archives import build_archive
    from sdk.authoring.destinations import find_destination
    from sdk.inspection.licences import declared_licence
    from sdk.manifest import read_manifest

    if not folder.is_dir():
        raise FolderMissing(folder)
    manifest = read_manifest(folder)
    manifest = replace(manifest, license=declared_licence(folder, manifest.license))
    destination = find_destination(to, registry)
    _refuse_comfy_without_publisher(manifest, destination)
    _refuse_high_findings(folder, manifest)
    text = changelog_file.read_text(encoding="utf-8") if changelog_file else changelog
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as place:
        archive = build_archive(folder, Path(place) / f"{manifest.name}-{manifest.version}.zip")
        facts = _facts(manifest, destination, archive)
        if dry_run:
            sentence = (
                f"would publish {manifest.name} {manifest.version} to {destination.registry}: {len(archive.names)} "
                f"files, {archive.size:,} bytes, sha256 {archive.sha256}"
            )
            options.report({**facts, "published": False}, sentence, as_json=as_json)
            return
        with _bar(f"{manifest.name} {manifest.version}", archive.size, quiet=as_json) as sent:
            send = _send_trusted if trusted else _send
            answer = send(destination, manifest, archive.path, text, token_file, sent)
    options.report({**facts, **answer, "published": True}, _sentence(facts, answer), as_json=as_json)
    if not as_json:
        _show_remarks(answer)


def _refuse_comfy_without_publisher(manifest: PackManifest, destination: Destination) -> None:
    if destination.protocol == "comfy" and not manifest.publisher:
        from sdk.errors import ManifestError

        raise ManifestError("pyproject.toml", ["the Comfy Registry's API wants PublisherId under [tool.comfy]"])


def _refuse_high_findings(folder: Path, manifest: PackManifest) -> None:
    from sdk.checks import check_pack

    findings = check_pack(folder)
    grave = [finding for finding in findings if finding.severity == "high"]
    if grave:
        for finding in grave:
            place = f"{finding.file}:{finding.line}" if finding.line else finding.file or manifest.name
            terminal.say(terminal.stderr(), f"{place}: {finding.id} {finding.message}", "red")
        raise ChecksFailed(manifest.name, len(grave), {"findings": [finding.as_json() for finding in findings]})


def _facts(manifest: PackManifest, destination: Destination, archive: ArchiveFacts) -> dict[str, Any]:
    from sdk.inspection.licences import licence_name

    return {
        "pack": manifest.name,
        "version": manifest.version,
        "registry": destination.registry,
        "sha256": archive.sha256,
        "size": archive.size,
        "licence": licence_name(manifest.license),
        "files": len(archive.names),
    }


@contextmanager
def _bar(name: str, size: int, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Called with the bytes that went out; draws a bar where standard error is a terminal."""
    console = terminal.stderr()
    if quiet or not console.is_terminal:
        yield lambda count: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"sending {name}", total=size)
        yield lambda count: progress.advance(task, count)


def _send(
    destination: Destination,
    manifest: PackManifest,
    archive: Path,
    changelog: str,
    token_file: Path | None,
    sent: Callable[[int], object],
) -> dict[str, Any]:
    from sdk.authoring import comfy_registry
    from sdk.authoring.registry_api import RegistryApi

    token = options.token_for(destination.registry, token_file)
    if destination.protocol == "comfy":
        return comfy_registry.publish(destination.registry, manifest, archive, token, changelog=changelog, sent=sent)
    with RegistryApi(destination.registry, token) as api:
        return api.publish(f"{manifest.name} {manifest.version}", archive, changelog=changelog, sent=sent)


def _send_trusted(
    destination: Destination,
    manifest: PackManifest,
    archive: Path,
    changelog: str,
    token_file: Path | None,
    sent: Callable[[int], object],
) -> dict[str, Any]:
    from sdk.authoring.identity_tokens import exchanged_token
    from sdk.authoring.registry_api import RegistryApi

    if destination.protocol == "comfy":
        raise typer.BadParameter("the Comfy Registry's API knows no trusted publishing", param_hint="--trusted")
    with RegistryApi(destination.registry, "") as anonymous:
        token = exchanged_token(anonymous)
    with RegistryApi(destination.registry, token) as api:
        return api.publish(f"{manifest.name} {manifest.version}", archive, changelog=changelog, sent=sent)


def _sentence(facts: dict[str, Any], answer: dict[str, Any]) -> str:
    said = f"published {facts['pack']} {facts['version']} to {facts['registry']}"
    state = answer.get("state") or answer.get("status") or ""
    if state in ("", "active", "NodeVersionStatusActive"):
        return said
    reason = f" ({answer['reason']})" if answer.get("reason") else ""
    return f"{said}; it is {str(state).removeprefix('NodeVersionStatus').lower()}{reason}"


def _show_remarks(answer: dict[str, Any]) -> None:
    """What the registry has to say about what it took."""
    errors = terminal.stderr()
    for finding in answer.get("findings", []):
        place = f"{finding.get('file', '')}:{finding.get('line', 0)}"
        terminal.say(
            errors, f"{place}: {finding.get('severity')} {finding.get('id')} {finding.get('message')}", "yellow"
        )
    for duplicate in answer.get("duplicates", []):
        terminal.say(errors, f"the same code is published elsewhere: {duplicate}", "yellow")
