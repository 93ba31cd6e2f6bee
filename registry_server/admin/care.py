"""Audit, backups, verification, webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from registry_server.admin.opening import Data, DatabaseUrl, Json, S3Key, S3Secret, StorageUrl, opened
from sdk import terminal
from sdk.commands import ExitCode

webhooks = typer.Typer(help="Addresses that are told of changes.", no_args_is_help=True)


def audit(
    subject: Annotated[str, typer.Option(metavar="TEXT", help="Subjects that begin so, such as pack/my-pack.")] = "",
    action: Annotated[str, typer.Option(metavar="TEXT", help="Actions that begin so, such as release.")] = "",
    actor: Annotated[str, typer.Option(metavar="TEXT", help="By this one alone.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="From 2026-01-31 on, for example.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many entries at most.")] = 50,
    json_: Json = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Show who changed what, newest first."""
    from registry_server.audit.repository import entries

    with opened(data, database_url) as parts, parts.database.read() as session:
        rows: list[dict[str, Any]] = [
            {"at": row.at, "actor": row.actor, "action": row.action, "subject": row.subject, "details": row.details}
            for row in entries(session, subject=subject, action=action, actor=actor, since=since, limit=limit)
        ]
    if json_:
        for row in rows:
            terminal.print_json(row, indent=None)
        return
    shown = [(r["at"][:19], r["actor"], r["action"], r["subject"], json.dumps(r["details"])) for r in rows]
    terminal.print_table(terminal.stdout(), ("at", "actor", "action", "subject", "details"), shown)


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
) -> None:
    """Save everything into one file."""
    from registry_server.operations.backup import backup as save

    with opened(data, database_url, storage, s3_key, s3_secret) as parts:
        report = save(parts.database, parts.storage, data / "secret", target)
    terminal.say(terminal.stdout(), f"saved {report.rows} rows and {report.archives} archives")
    for missing in report.missing:
        terminal.say(terminal.stderr(), f"missing in the storage: {missing}")
    if report.missing:
        raise typer.Exit(ExitCode.INTEGRITY)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` has written.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
) -> None:
    """Bring a saved registry back into an empty one, also into another kind of database."""
    from registry_server.operations.backup import restore as load

    with opened(data, database_url, storage, s3_key, s3_secret) as parts:
        report = load(parts.database, parts.storage, parts.search, data / "secret", source)
    terminal.say(terminal.stdout(), f"brought back {report.rows} rows and {report.archives} archives")


def verify(
    remove_strays: Annotated[bool, typer.Option(help="Remove archives that belong to no release.")] = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
) -> None:
    """Read every archive and document again and compare hashes."""
    from registry_server.operations.verify import verify as check

    with opened(data, database_url, storage, s3_key, s3_secret) as parts:
        report = check(parts.database, parts.storage, remove_strays=remove_strays)
    terminal.say(terminal.stdout(), f"{report.archives} archives are right, {len(report.faults)} faults")
    for fault in report.faults:
        terminal.say_error(fault)
    for stray in report.strays:
        terminal.say(terminal.stderr(), f"belongs to no release{', removed' if remove_strays else ''}: {stray}")
    if report.faults:
        raise typer.Exit(ExitCode.INTEGRITY)


def snapshot(
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
) -> None:
    """Make the index's snapshot anew; the server does so by itself, too."""
    from registry_server.index.snapshot import refresh_snapshot

    with opened(data, database_url, storage, s3_key, s3_secret) as parts:
        settings = parts.settings
        serial = refresh_snapshot(parts.database, parts.storage, settings.name, settings.incoming, force=True)
    terminal.say(terminal.stdout(), f"the snapshot goes up to serial {serial}")


@webhooks.command("add")
def add_webhook(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send changes.")],
    publisher: Annotated[str, typer.Option(metavar="PUBLISHER", help="Of this publisher's packs alone.")] = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Tell an address of changes; prints the secret that signs the messages."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.webhooks.service import add

    with opened(data, database_url) as parts, parts.database.write() as session:
        hook = add(session, OPERATOR, parts.clock(), url, publisher)
    terminal.say(terminal.stderr(), f"webhook {hook.id}; its secret is shown once")
    print(hook.secret)


@webhooks.command("remove")
def remove_webhook(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The webhook's number.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Tell an address no more."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.webhooks.service import remove

    with opened(data, database_url) as parts, parts.database.write() as session:
        remove(session, OPERATOR, parts.clock(), number)
    terminal.say(terminal.stdout(), f"removed webhook {number}")
