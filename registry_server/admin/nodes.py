"""Owners of node ids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_server.admin.opening import Data, DatabaseUrl, Json, Reason, opened
from sdk import terminal

app = typer.Typer(help="Owners of node ids.", no_args_is_help=True)

NodeId = Annotated[str, typer.Argument(metavar="NODE", help="The node's id.")]
PackId = Annotated[str, typer.Argument(metavar="PACK", help="The pack's id.")]


@app.command("show")
def show(node: NodeId, json_: Json = False, data: Data = Path("registry"), database_url: DatabaseUrl = "") -> None:
    """Show who owns a node id, and who claims it."""
    from registry_server.nodes.service import describe

    with opened(data, database_url) as parts, parts.database.read() as session:
        found = describe(session, node)
    if json_:
        terminal.print_json(found, indent=None)
        return
    say = terminal.stdout()
    terminal.say(say, f"{node} is owned by {found['owner'] or 'nobody'}")
    for claim in found["claimants"]:
        terminal.say(say, f"  claimed by {claim['pack']} {claim['version']}".rstrip())


@app.command("transfer")
def transfer(
    node: NodeId,
    pack: Annotated[str, typer.Argument(metavar="PACK", help='Whose it shall be; "" for nobody\'s.')],
    reason: Reason = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Make a node id another pack's."""
    from registry_server.accounts.identity import OPERATOR

    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.nodes.transfer(session, OPERATOR, parts.clock(), node, pack, reason)
    terminal.say(terminal.stdout(), f"{node} is {pack or 'nobody'}'s")


@app.command("allow")
def allow(
    node: NodeId, pack: PackId, reason: Reason = "", data: Data = Path("registry"), database_url: DatabaseUrl = ""
) -> None:
    """Let a pack provide a node id that is another's, or the host's."""
    from registry_server.accounts.identity import OPERATOR

    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.nodes.allow(session, OPERATOR, parts.clock(), node, pack, reason)
    terminal.say(terminal.stdout(), f"{pack} may provide {node}")


@app.command("disallow")
def disallow(node: NodeId, pack: PackId, data: Data = Path("registry"), database_url: DatabaseUrl = "") -> None:
    """Take such an exception back; releases that are there stay."""
    from registry_server.accounts.identity import OPERATOR

    with opened(data, database_url) as parts, parts.database.write() as session:
        parts.nodes.disallow(session, OPERATOR, parts.clock(), node, pack)
    terminal.say(terminal.stdout(), f"{pack} may no longer provide {node}")
