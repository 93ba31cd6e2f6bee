"""Commands about states of an installation: lock, sync, rollback, generations, gc."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_client.cli import options
from registry_client.cli.answers import show_plan, show_rows, write_answer
from sdk.terminal import print_json, print_line

if TYPE_CHECKING:
    from registry_client.cli.wanted_states import WantedState
    from registry_client.client import Client
    from registry_client.workspace import Workspace

LockFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="LOCK", dir_okay=False, help="Or a picture made here. Default: comfy-nodes.lock of the base folder."
    ),
]


def lock(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", dir_okay=False, help="Default: standard output.")
    ] = None,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Write down what is installed, so that `sync` installs the same elsewhere."""
    from registry_client.lockfile import encode_lock, lock_digest

    found = options.open_workspace(base_dir, log_level).lock()
    content = encode_lock(found)
    if output:
        write_answer(output, content)
    if as_json:
        print_json({"state": "succeeded", "digest": lock_digest(found), "lock": content.decode()})
    elif output is None:
        print_line(content.decode().removesuffix("\n"))


def sync(
    lock_file: LockFile = None,
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Only compare; ends with 14 where something differs.")
    ] = False,
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
    """Install exactly what a lock says, or what a picture says of the packs that made it: the same, on any machine."""
    from registry_client.cli.bars import watching
    from registry_client.errors import LockDiffers

    with watching(quiet=as_json) as watcher:
        client = options.open_client(base_dir, registry, cache_dir, find_links, offline, log_level, watcher=watcher)
        wanted = _wanted_state(client, lock_file or client.workspace.published_lock)
        if check:
            if found := wanted.differences():
                raise LockDiffers(found, str(lock_file or ""))
            _say_same(as_json)
            return
        if dry_run:
            show_plan(wanted.plan(), None, as_json=as_json, dry_run=True)
            return
        with client.changing():
            plan = wanted.plan()
            generation = wanted.install(plan, import_check=not no_import_check)
    show_plan(plan, generation, as_json=as_json, dry_run=False)


def _wanted_state(client: Client, path: Path) -> WantedState:
    from registry_client.cli.wanted_states import FromLock, FromRecord
    from registry_client.lockfile import read_lock
    from registry_client.restoring import bears_record, read_record

    if path.is_file() and bears_record(path):
        return FromRecord(client, path, read_record(path))
    return FromLock(client, path, read_lock(path))


def rollback(
    number: Annotated[int | None, typer.Argument(metavar="N", help="Default: the one before.")] = None,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Go back to an earlier generation; everything of it is still there."""
    from registry_client.lockfile import Lock, read_lock
    from registry_client.planning import Plan

    client = options.open_client(base_dir, log_level=log_level)
    before = client.workspace.lock_if_readable() or Lock()
    if dry_run:
        generation = client.earlier(number)
        show_plan(Plan(before, read_lock(generation.lock)), None, as_json=as_json, dry_run=True)
        return
    with client.changing():
        generation = client.rollback(number)
    show_plan(Plan(before, read_lock(generation.lock)), generation, as_json=as_json, dry_run=False)


def generations(
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """List the states that `rollback` can go back to."""
    workspace = options.open_workspace(base_dir, log_level)
    current = workspace.current_number()
    rows = [_generation_row(workspace, number, number == current) for number in workspace.numbers()]
    headings = ("generation", "state", "made", "by", "packs")
    show_rows(headings, rows, as_json=as_json, empty="nothing was ever installed")


def _generation_row(workspace: Workspace, number: int, in_use: bool) -> tuple[int, str, str, str, str]:
    from sdk.workspace import BadGeneration

    mark = "in use" if in_use else ""
    try:
        generation = workspace.generation(number)
    except BadGeneration as error:
        return number, f"{mark}, damaged".lstrip(", "), "", "", error.problem
    packs = ", ".join(f"{p.id} {p.version}{'' if p.enabled else ' (disabled)'}" for p in generation.packs)
    return number, mark, generation.created, generation.command, packs


def gc(
    keep: Annotated[int | None, typer.Option(min=0, help="So many generations stay. Default: 5.")] = None,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Delete old generations, and files that no other one uses."""
    from registry_client.transaction import collect_garbage
    from sdk.terminal import say, stdout

    client = options.open_client(base_dir, log_level=log_level)
    with client.changing():
        count = client.settings.keep_generations if keep is None else keep
        dropped, freed = collect_garbage(client.workspace, count, dry_run=dry_run)
    if as_json:
        print_json({"state": "succeeded", "dry_run": dry_run, "generations": dropped, "bytes": freed})
    elif dry_run:
        say(stdout(), f"would delete {len(dropped)} generation(s) and free {freed / 1e6:.1f} MB")
    else:
        say(stdout(), f"deleted {len(dropped)} generation(s) and freed {freed / 1e6:.1f} MB")


def _say_same(as_json: bool) -> None:
    from sdk.terminal import say, stdout

    if as_json:
        print_json({"state": "succeeded", "differences": []})
    else:
        say(stdout(), "the installation is what the lock says")
