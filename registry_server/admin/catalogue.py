"""The public catalogue as a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_server.admin.opening import Data, DatabaseUrl, opened
from sdk import terminal


def import_catalogue(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Holds custom-node-list.json and extension-node-map.json."),
    ],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
) -> None:
    """Keep the names and node ids of the public catalogue's packs for them."""
    from registry_server.operations import catalogue

    seeds = catalogue.read_catalogue(folder / "custom-node-list.json", folder / "extension-node-map.json")
    with opened(data, database_url) as parts:
        report = catalogue.import_catalogue(parts.database, parts.indexer, parts.clock(), seeds)
    say = terminal.stdout()
    terminal.say(say, f"{report.packs} packs; {report.owned} node ids have an owner now, of {report.claims} claims")
    terminal.say(say, f"{report.contested} claims on ids that a pack listed earlier owns")
    terminal.say(say, f"{report.unusable} ids left out: the host's own, or no ids")
    if report.skipped:
        terminal.say(say, f"{len(report.skipped)} packs were here already")
