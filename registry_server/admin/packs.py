"""Packs and releases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_server.admin.opening import Data, DatabaseUrl, Json, Reason, opened
from sdk import terminal

app = typer.Typer(help="Packs.", no_args_is_help=True)
releases = typer.Typer(help="Versions of packs.", no_args_is_help=True)

PackId = Annotated[str, typer.Argument(metavar="PACK", help="The pack's id.")]
VersionId = Annotated[str, typer.Argument(metavar="VERSION", help="Its version.")]


@app.command("status")
def set_status(
    pack: PackId,
    status: Annotated[str, typer.Argument(metavar="active|banned|deleted", help="What it shall be.")],
    reason: Reason = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Ban a pack, delete it, or let it in again."""
    from registry_server.accounts.identity import OPERATOR

    if status not in ("active", "banned", "deleted"):
        raise typer.BadParameter(f"{status!r} is none of active, banned, deleted", param_hint="STATUS")
    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.packs.set_status(session, OPERATOR, parts.clock(), pack, status, reason)
    terminal.say(terminal.stdout(), f"{pack} is {status}")


@app.command("transfer")
def transfer(
    pack: PackId,
    publisher: Annotated[str, typer.Argument(metavar="PUBLISHER", help="Whose it shall be.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Give a pack to another publisher; also how a seeded name gets to its author."""
    from registry_server.accounts.identity import OPERATOR

    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.packs.give(session, OPERATOR, parts.clock(), pack, publisher)
    terminal.say(terminal.stdout(), f"{pack} is {publisher}'s")


@app.command("reindex")
def reindex(data: Data = Path("registry"), database_url: DatabaseUrl = "") -> None:
    """Prepare all documents and search entries anew."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.packs.repository import all_packs

    with opened(data, database_url) as parts, parts.database.write() as session:
        slugs = [row.slug for row in all_packs(session) if row.status != "deleted"]
        count = parts.packs.rebuild(session, OPERATOR, parts.clock(), slugs)
    terminal.say(terminal.stdout(), f"indexed {count} packs")


@releases.command("list")
def list_releases(
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="In this state; may be repeated. Without it: what waits for a decision."),
    ] = None,
    pack: Annotated[str, typer.Option(metavar="PACK", help="Of this pack alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 50,
    json_: Json = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """List versions in quarantine and those that are pending, newest first, each with the reason."""
    from registry_server.packs import repository
    from registry_server.packs.service import find_pack
    from sdk.registry import State

    states = state or [State.QUARANTINED, State.PENDING]
    if wrong := [name for name in states if name not in list(State)]:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(State)}", param_hint="--state")
    with opened(data, database_url) as parts, parts.database.read() as session:
        only = find_pack(session, pack).id if pack else None
        total, found = repository.list_releases(session, states, only, 0, limit)
        rows = [(row.slug, one.version, one.state, one.published_at, one.reason) for one, row in found]
    if json_:
        names = ("pack", "version", "state", "published", "reason")
        terminal.print_json([dict(zip(names, row, strict=True)) for row in rows], indent=None)
        return
    shown = [(*row[:3], row[3][:16].replace("T", " "), row[4]) for row in rows]
    terminal.print_table(terminal.stdout(), ("pack", "version", "state", "published", "reason"), shown)
    if total > len(rows):
        terminal.say(terminal.stderr(), f"{total - len(rows)} more; see --limit")


@releases.command("state", epilog="Example: comfy-nodes registry admin release state my-pack 1.0 active")
def set_state(
    pack: PackId,
    version: VersionId,
    state: Annotated[str, typer.Argument(metavar="active|pending|quarantined|yanked|banned", help="What it shall be.")],
    reason: Reason = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Put a version into a state."""
    from registry_server.accounts.identity import OPERATOR
    from sdk.registry import State

    if state not in list(State):
        raise typer.BadParameter(f"{state!r} is none of {', '.join(State)}", param_hint="STATE")
    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.packs.set_state(session, OPERATOR, parts.clock(), pack, version, State(state), reason)
    terminal.say(terminal.stdout(), f"{pack} {version} is {state}")


@releases.command("deprecate")
def deprecate(
    pack: PackId,
    version: Annotated[str, typer.Option(metavar="VERSION", help="This version alone.")] = "",
    replacement: Annotated[str, typer.Option(metavar="REQUIREMENT", help="What to use instead.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    reason: Reason = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Ask users to leave a pack, or one version of it."""
    from registry_server.accounts.identity import OPERATOR

    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.packs.deprecate(
            session,
            OPERATOR,
            parts.clock(),
            pack,
            deprecated=not undo,
            reason=reason,
            replacement=replacement,
            version=version,
        )
    what = f"{pack} {version}".strip()
    terminal.say(terminal.stdout(), f"{what} is {'no longer ' if undo else ''}deprecated")
