"""Workflows that publish without a stored token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from registry_server.admin.opening import Data, DatabaseUrl, Json, opened
from sdk import terminal

app = typer.Typer(help="Workflows that may publish without a stored token.", no_args_is_help=True)


@app.command("add")
def add(
    pack: Annotated[str, typer.Argument(metavar="PACK", help="The pack it may publish; it need not be there yet.")],
    publisher: Annotated[str, typer.Option(metavar="PUBLISHER", help="Whose pack it is, or will be.")],
    issuer: Annotated[str, typer.Option(metavar="URL", help="Who signs the workflow's identity tokens.")],
    repository: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The workflow's repository.")],
    workflow: Annotated[str, typer.Option(metavar="FILE", help="The workflow's file, such as publish.yml.")],
    environment: Annotated[str, typer.Option(metavar="TEXT", help="The environment it must run in.")] = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Let a workflow of a repository publish a pack."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.publishing.workflows import Workflow, register

    chosen = Workflow(issuer=issuer, repository=repository, workflow=workflow, environment=environment)
    with opened(data, database_url) as parts, parts.database.write() as session:
        register(session, OPERATOR, parts.clock(), publisher_id=publisher, pack=pack, workflow=chosen)
    terminal.say(terminal.stdout(), f"{repository} {workflow} may publish {pack}")


@app.command("list")
def list_all(
    publisher: Annotated[str, typer.Option(metavar="PUBLISHER", help="Of this publisher alone.")] = "",
    json_: Json = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """List them, each with whether its pack is still to come."""
    from registry_server.publishing.workflows import registered

    with opened(data, database_url) as parts, parts.database.read() as session:
        rows: list[dict[str, Any]] = [
            {
                "number": row.id,
                "pack": row.pack,
                "publisher": row.publisher_id,
                "repository": row.repository,
                "workflow": row.workflow,
                "environment": row.environment,
                "issuer": row.issuer,
                "pending": is_pending,
            }
            for row, is_pending in registered(session, publisher)
        ]
    if json_:
        terminal.print_json(rows, indent=None)
        return
    headings = ("number", "pack", "publisher", "repository", "workflow", "environment", "")
    shown = [
        (*(str(row[name]) for name in headings[:-1]), "the pack is to come" if row["pending"] else "") for row in rows
    ]
    terminal.print_table(terminal.stdout(), headings, shown)


@app.command("remove")
def remove(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `trusted list` shows it.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Let a workflow publish no more."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.publishing.workflows import withdraw

    with opened(data, database_url) as parts, parts.database.write() as session:
        withdraw(session, OPERATOR, parts.clock(), number)
    terminal.say(terminal.stdout(), f"removed {number}")
