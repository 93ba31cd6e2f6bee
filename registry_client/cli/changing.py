"""Commands that change what is installed: install, uninstall, update, enable, disable."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_client.cli import options, wishes

if TYPE_CHECKING:
    from registry_client.client import Client
    from registry_client.lockfile import Lock
    from registry_client.requests import Request
    from registry_client.requirements import Wanted
    from registry_client.sources import Prepared


def install(
    packs: wishes.Sources = None,
    from_workflow: wishes.FromWorkflow = None,
    choose: wishes.Choose = None,
    prefer: wishes.Prefer = None,
    allow_scripts: wishes.AllowScripts = None,
    isolate: wishes.Isolate = None,
    no_isolate: wishes.NoIsolate = None,
    pre: wishes.Pre = False,
    exclude_newer: wishes.ExcludeNewer = None,
    pin: wishes.Pin = None,
    dry_run: options.DryRun = False,
    no_import_check: options.NoImportCheck = False,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    find_links: options.FindLinks = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Install packs with all that they need, wholly or not at all.

    Example: comfy-nodes install acme-tint "other>=1.2,<2" ./my-pack
    """
    from registry_client.cli.bars import watching
    from registry_client.requests import ANY, Request
    from registry_client.requirements import Wanted, read_wanted
    from registry_client.sources import prepare

    asked = [read_wanted(text, Path.cwd()) for text in packs or ()]
    if not asked and from_workflow is None:
        raise typer.BadParameter("name at least one pack, or a workflow with --from-workflow")
    if choose and from_workflow is None:
        raise typer.BadParameter("--choose goes with --from-workflow: it says whose nodes to take for the workflow")
    pins = dict(wishes.pair(text) for text in pin or ())
    with watching(quiet=as_json) as watcher, tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder:
        client = options.open_client(
            base_dir, registry, cache_dir, find_links, offline, log_level, pins=pins, watcher=watcher
        )
        wanted = [item for item in asked if isinstance(item, Wanted)]
        direct = [prepare(item, Path(folder)) for item in asked if not isinstance(item, Wanted)]
        if from_workflow is not None:
            wanted += _workflow_packs(client, from_workflow, choose or [], ask=not as_json)
        request = Request(
            add=tuple(wanted),
            direct=tuple(direct),
            prefer=tuple(prefer or ()),
            scripts=tuple(allow_scripts or ()),
            isolate=tuple(isolate or ()),
            together=tuple(no_isolate or ()),
            prereleases=frozenset({ANY} if pre else ()),
            exclude_newer=wishes.moment(exclude_newer),
        )
        command = " ".join(["install", *(packs or ()), *([str(from_workflow)] if from_workflow else ())])
        _change(client, request, command, direct, dry_run, not no_import_check, as_json)


def uninstall(
    packs: wishes.Packs,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    find_links: options.FindLinks = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Remove packs, and what nothing else needs any more."""
    from registry_client.cli.bars import watching
    from registry_client.requests import Request

    with watching(quiet=as_json) as watcher:
        client = options.open_client(base_dir, registry, cache_dir, find_links, offline, log_level, watcher=watcher)
        request = Request(drop=tuple(packs))
        _change(client, request, " ".join(["uninstall", *packs]), [], dry_run, False, as_json)


def update(
    packs: Annotated[list[str] | None, typer.Argument(metavar="PACK…", help="Default: all.")] = None,
    prefer: wishes.Prefer = None,
    pre: wishes.Pre = False,
    exclude_newer: wishes.ExcludeNewer = None,
    dry_run: options.DryRun = False,
    no_import_check: options.NoImportCheck = False,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    find_links: options.FindLinks = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Bring packs to the newest versions that go together."""
    from registry_client.cli.bars import watching
    from registry_client.requests import ANY, Request
    from sdk.registry import fold

    with watching(quiet=as_json) as watcher:
        client = options.open_client(base_dir, registry, cache_dir, find_links, offline, log_level, watcher=watcher)
        for name in packs or ():
            client.lock().require(name)
        request = Request(
            update=frozenset(map(fold, packs)) if packs else frozenset({ANY}),
            prefer=tuple(prefer or ()),
            prereleases=frozenset({ANY} if pre else ()),
            exclude_newer=wishes.moment(exclude_newer),
        )
        command = " ".join(["update", *(packs or ())])
        _change(client, request, command, [], dry_run, not no_import_check, as_json)
        if not as_json:
            _say_what_stays(client.lock(), packs or [])


def _say_what_stays(lock: Lock, packs: list[str]) -> None:
    """Packs that were named, and can't go beyond the range that was asked for once."""
    from registry_client.requests import ANY
    from sdk.terminal import say, stderr

    for pack in map(lock.require, packs):
        if pack.requested not in ("", ANY) and not pack.source:
            wider = f'comfy-nodes install "{pack.id}>={pack.version}"'
            say(stderr(), f"note: {pack} keeps to {pack.id}{pack.requested}, which you asked for; wider: {wider}")


def enable(
    packs: wishes.Packs,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Let the host load packs again that were disabled."""
    _set_enabled(packs, True, dry_run, base_dir, as_json, log_level)


def disable(
    packs: wishes.Packs,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Keep packs installed, and let the host leave them out."""
    _set_enabled(packs, False, dry_run, base_dir, as_json, log_level)


def _set_enabled(
    packs: list[str], enabled: bool, dry_run: bool, base_dir: Path | None, as_json: bool, log_level: str
) -> None:
    from registry_client.conflicts import unmet_needs
    from sdk.terminal import print_json, say, stderr, stdout

    client = options.open_client(base_dir, log_level=log_level)
    word = "enable" if enabled else "disable"
    before = client.lock()
    warnings = [conflict.problem for conflict in unmet_needs(before.with_enabled(packs, enabled))]
    changed = [name for name in packs if before.require(name).enabled is not enabled]
    generation = None
    if changed and not dry_run:
        with client.changing():
            generation = client.set_enabled(packs, enabled, " ".join([word, *packs]))
    number = generation.number if generation else None
    if as_json:
        facts = {"dry_run": dry_run, "packs": changed, "generation": number, "warnings": warnings}
        print_json({"state": "succeeded", **facts})
        return
    for warning in warnings:
        say(stderr(), f"warning: {warning}", "yellow")
    if not changed:
        say(stdout(), f"nothing to do: {', '.join(packs)} {'are' if len(packs) > 1 else 'is'} {word}d already")
    elif dry_run:
        say(stdout(), f"would {word} {', '.join(changed)}")
    else:
        say(stdout(), f"{word}d {', '.join(changed)}; generation {number} is in use")


def _change(
    client: Client,
    request: Request,
    command: str,
    direct: list[Prepared],
    dry_run: bool,
    import_check: bool,
    as_json: bool,
) -> None:
    from registry_client.cli.answers import show_plan

    if dry_run:
        show_plan(client.plan(request), None, as_json=as_json, dry_run=True)
        return
    with client.changing():
        plan = client.plan(request)
        generation = client.apply(plan, command, direct=direct, import_check=import_check)
    alike = client.likenesses(plan) if generation else []
    show_plan(plan, generation, as_json=as_json, dry_run=False, alike=alike)


def _workflow_packs(client: Client, path: Path, choose: list[str], *, ask: bool) -> list[Wanted]:
    from registry_client.errors import Ambiguous
    from registry_client.wishes import packs_for, read_uses

    uses = read_uses(path)
    client.registries.refresh(whole=True)
    have = set(client.host.nodes if client.host else ()) | {node for p in client.lock().packs for node in p.nodes}
    while True:
        try:
            return list(packs_for(uses, have, client.registries, choose).values())
        except Ambiguous as error:
            choose = [*choose, _ask(error, ask)]


def _ask(error: Exception, ask: bool) -> str:
    """The pack that the user picks; without a user to ask, the error."""
    import sys

    from registry_client.errors import Ambiguous
    from sdk.terminal import escaped

    if not (ask and sys.stdin.isatty() and isinstance(error, Ambiguous)):
        raise error
    node, packs = next(iter(error.facts["choices"].items()))
    answer = typer.prompt(f"{node!r} is provided by {escaped(', '.join(packs))}; which shall be installed?", err=True)
    if answer not in packs:
        raise error
    return str(answer)
