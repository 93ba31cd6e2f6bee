"""Arguments and options that say what shall be installed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

Packs = Annotated[list[str], typer.Argument(metavar="PACK…", show_default=False)]
Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PACK…",
        help='acme-tint, "acme-tint>=1.2,<2", ./folder, pack.zip or git+https://…@rev',
        show_default=False,
    ),
]
FromWorkflow = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Install the packs whose nodes this workflow or picture uses."),
]
Choose = Annotated[
    list[str] | None,
    typer.Option(metavar="PACK", help="With --from-workflow: take this one where several provide a node."),
]
Prefer = Annotated[
    list[str] | None,
    typer.Option(metavar="PACK", help="Gets the node names that it shares with other packs. May be repeated."),
]
AllowScripts = Annotated[
    list[str] | None, typer.Option(metavar="PACK", help="Run this pack's install.py. May be repeated.")
]
Isolate = Annotated[
    list[str] | None,
    typer.Option(metavar="PACK", help="Run this pack in a process and with Python packages of its own."),
]
NoIsolate = Annotated[list[str] | None, typer.Option(metavar="PACK", help="Run this pack in the host's process again.")]
Pre = Annotated[bool, typer.Option("--pre", metavar="", help="Pre-releases may be chosen.")]
ExcludeNewer = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Leave out what was published after this date, or within so many days: 7d."),
]
Pin = Annotated[
    list[str] | None,
    typer.Option(metavar="PACK=REGISTRY", help="Take this pack from this registry alone. May be repeated."),
]


def pair(text: str) -> tuple[str, str]:
    """Pack and registry of a ``--pin``.

    Raises:
        BadParameter: it is none.
    """
    pack, separator, registry = text.partition("=")
    if not separator or not registry:
        raise typer.BadParameter(f"--pin {text}: write PACK=REGISTRY")
    return pack, registry


def moment(text: str | None) -> datetime | None:
    """The moment of an ``--exclude-newer``; without a time zone, in UTC.

    Raises:
        BadParameter: it is neither a date nor days.
    """
    if text is None:
        return None
    try:
        if text.endswith("d") and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(days=int(text[:-1]))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"--exclude-newer {text}: write a date such as 2026-01-31, or days such as 7d"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
