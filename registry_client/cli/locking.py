"""Commands about states of an installation: lock, sync, rollback, generations, gc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_client.cli import options
from registry_client.cli.answers import print_json, show_plan, show_rows

LockFile = Annotated[
    Path | None, typer.Argument(metavar="LOCK", dir_okay=False, help="Default: comfy-nodes.lock of the base folder.")
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
    from registry_client.workspace import write_durably

    found = options.open_workspace(base_dir, log_level).lock()
    content = encode_lock(found)
    if output:
        write_durably(output, content)
    if as_json:
        print_json({"state": "succeeded", "digest": lock_digest(found), "lock": content.decode()})
    elif output is None:
        print(content.decode(), end="")


def sync(
    lock_file: LockFile = None,
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Only compare; ends with 14 where something differs.")
    ] = False,
    dry_run: options.DryRun = False,
    no_import_check: options.NoImportCheck = False,
    base_dir: options.BaseDir = None,
    find_links: options.FindLinks = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Install exactly what a lock says: the same bytes, on any machine."""
    from registry_client.cli.bars import watching
    from registry_client.errors import LockDiffers
    from registry_client.lockfile import differences, read_lock
    from registry_client.planning import Plan

    with watching(quiet=as_json) as watcher:
        client = options.open_client(base_dir, None, None, find_links, offline, log_level, watcher=watcher)
        path = lock_file or client.workspace.published_lock
        wanted = read_lock(path)
        if check:
            if found := differences(wanted, client.lock()):
                raise LockDiffers(found)
            _say_same(as_json)
            return
        if dry_run:
            show_plan(Plan(client.lock(), wanted), None, as_json=as_json, dry_run=True)
            return
        with client.changing():
            before = client.lock()
            generation = client.sync(wanted, f"sync {path.name}", import_check=not no_import_check)
    show_plan(Plan(before, wanted), generation, as_json=as_json, dry_run=False)


def rollback(
    number: Annotated[int | None, typer.Argument(metavar="N", help="Default: the one before.")] = None,
    dry_run: options.DryRun = False,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Go back to an earlier generation; everything of it is still there."""
    from registry_client.lockfile import read_lock
    from registry_client.planning import Plan

    client = options.open_client(base_dir, log_level=log_level)
    before = client.lock()
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
    current = workspace.current()
    rows = []
    for number in workspace.numbers():
        generation = workspace.generation(number)
        mark = "in use" if current and current.number == number else ""
        packs = ", ".join(f"{p.id} {p.version}{'' if p.enabled else ' (disabled)'}" for p in generation.packs)
        rows.append((number, mark, generation.created, generation.command, packs))
    headings = ("generation", "state", "made", "by", "packs")
    show_rows(headings, rows, as_json=as_json, empty="nothing was ever installed")


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
