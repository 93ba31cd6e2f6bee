"""Publishers, users, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_server.admin.opening import Data, DatabaseUrl, Json, opened
from sdk import terminal

publishers = typer.Typer(help="Publishers and their members.", no_args_is_help=True)
users = typer.Typer(help="People.", no_args_is_help=True)
tokens = typer.Typer(help="Tokens.", no_args_is_help=True)

PublisherId = Annotated[str, typer.Argument(metavar="PUBLISHER", help="The publisher's id.")]


@publishers.command("create", epilog='Example: comfy-nodes registry admin publisher create acme --name "Acme"')
def create_publisher(
    publisher: PublisherId,
    name: Annotated[str, typer.Option(metavar="TEXT", help="As users see it.")] = "",
    website: Annotated[str, typer.Option(metavar="URL", help="Its web page.")] = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Make a publisher."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import create_publisher as create

    with opened(data, database_url) as parts, parts.database.write() as session:
        create(session, OPERATOR, parts.clock(), publisher, {"name": name or publisher, "website": website})
    terminal.say(terminal.stdout(), f"made the publisher {publisher}")


@publishers.command("list")
def list_publishers(json_: Json = False, data: Data = Path("registry"), database_url: DatabaseUrl = "") -> None:
    """List publishers."""
    from registry_server.accounts import repository

    with opened(data, database_url) as parts, parts.database.read() as session:
        found = [(one.id, one.name, "banned" if one.banned else "active") for one in repository.publishers(session)]
    if json_:
        terminal.print_json([dict(zip(("id", "name", "status"), row, strict=True)) for row in found], indent=None)
    else:
        terminal.print_table(terminal.stdout(), ("publisher", "name", "status"), found)


@publishers.command("ban")
def ban_publisher(
    publisher: PublisherId,
    undo: Annotated[bool, typer.Option("--undo", help="Let it in again.")] = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Shut a publisher out; its packs stay as they are."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import ban_publisher as ban

    with opened(data, database_url) as parts, parts.database.write() as session:
        ban(session, OPERATOR, parts.clock(), publisher, not undo)
    terminal.say(terminal.stdout(), f"{publisher} is {'let in again' if undo else 'banned'}")


@publishers.command("member")
def set_member(
    publisher: PublisherId,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    role: Annotated[str, typer.Option(metavar="owner|member", help='"" takes the membership away.')] = "member",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Give a user a role at a publisher."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import set_member as give

    with opened(data, database_url) as parts, parts.database.write() as session:
        give(session, OPERATOR, parts.clock(), publisher, user, role)
    terminal.say(terminal.stdout(), f"{user} is {role or 'no member'} of {publisher}" + (" now" if not role else ""))


@users.command("create")
def create_user(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    name: Annotated[str, typer.Option(metavar="TEXT", help="The user's name.")] = "",
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="For the operator alone.")] = "",
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Make a user."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import create_user as create

    with opened(data, database_url) as parts, parts.database.write() as session:
        create(session, OPERATOR, parts.clock(), user, name, email)
    terminal.say(terminal.stdout(), f"made the user {user}")


@tokens.command(
    "create",
    epilog="Example: comfy-nodes registry admin token create --publisher acme --scope publish:pack --expires 90d",
)
def create_token(
    publisher: Annotated[str, typer.Option(metavar="PUBLISHER", help="For whom it publishes.")] = "",
    user: Annotated[str, typer.Option(metavar="USER", help="For whom it works, instead of a publisher.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="publish:pack, manage:publisher, account, admin. May be repeated."),
    ] = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help="After 90d, 12h …; never by default.")] = "",
    name: Annotated[str, typer.Option(metavar="TEXT", help="To tell it from others.")] = "",
    pack: Annotated[list[str] | None, typer.Option(metavar="PACK", help="Publishes this pack alone.")] = None,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Make a token and print it: it is shown this once."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import create_token as create
    from registry_server.accounts.tokens import parse_duration

    with opened(data, database_url) as parts, parts.database.write() as session:
        secret, row = create(
            session,
            OPERATOR,
            parts.clock(),
            publisher_id=publisher,
            user_id=user,
            scopes=scope or ["publish:pack"],
            seconds=parse_duration(expires) if expires else None,
            name=name,
            packs=pack or (),
        )
    ends = row.expires_at[:16].replace("T", " ") + " UTC" if row.expires_at else "never"
    terminal.say(terminal.stderr(), f"token {row.id}, {', '.join(row.scopes)}, until {ends}; it is shown this once")
    print(secret)


@tokens.command("list")
def list_tokens(
    publisher: Annotated[str, typer.Option(metavar="PUBLISHER", help="Of this publisher alone.")] = "",
    json_: Json = False,
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """List tokens that were not revoked."""
    from registry_server.accounts import repository
    from registry_server.accounts.tokens import masked

    with opened(data, database_url) as parts, parts.database.read() as session:
        rows = [
            {
                "id": row.id,
                "of": row.publisher_id or row.user_id or "operator",
                "token": masked(row.hint),
                "scopes": " ".join(row.scopes),
                "expires": row.expires_at or "never",
                "last used": row.last_used_at or "never",
            }
            for row in repository.tokens(session, publisher or None)
        ]
    if json_:
        terminal.print_json(rows, indent=None)
    else:
        headings = ("id", "of", "token", "scopes", "expires", "last used")
        terminal.print_table(terminal.stdout(), headings, [tuple(row.values()) for row in rows])


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `token list` shows it.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """End a token at once."""
    from registry_server.accounts.identity import OPERATOR
    from registry_server.accounts.service import revoke_token as revoke

    with opened(data, database_url) as parts, parts.database.write() as session:
        revoke(session, OPERATOR, parts.clock(), token)
    terminal.say(terminal.stdout(), f"revoked {token}")
