"""Commands that compare packs: conflicts, duplicates."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_client.cli import options
from registry_client.cli.answers import show_rows, write_answer
from sdk.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry_client.client import Client
    from registry_client.duplicates import Group, Member, Near

SHOWN = 200


def conflicts(
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Show what does not go together in this installation; ends with 12 where something can't work."""
    from registry_client.conflicts import HARD, find_conflicts
    from registry_client.errors import CheckFailed
    from registry_client.store import Store

    client = options.open_client(base_dir, log_level=log_level)
    store = Store(client.workspace.store)
    found = find_conflicts(client.lock(), client.facts, client.host, store, client.likenesses())
    rows = [(item.level, ", ".join(item.packs), item.problem) for item in found]
    show_rows(("level", "packs", "problem"), rows, as_json=as_json, empty="everything goes together")
    hard = sum(item.level == HARD for item in found)
    if hard and as_json:
        raise typer.Exit(CheckFailed.exit_code)
    if hard:
        raise CheckFailed(f"{hard} thing(s) can't work; see the list.")


def duplicates(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDER…", exists=True, help="Packs, folders of packs or a catalogue. Default: what is installed."
        ),
    ] = None,
    all_registry: Annotated[
        bool, typer.Option("--all-registry", metavar="", help="Compare all packs of the registries.")
    ] = False,
    threshold: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Similarity of code from which on it counts.")
    ] = 0.8,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write a page that needs nothing else.")
    ] = None,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Find nodes that are there more than once: by id, by nearly the same id, by title, by code.

    Example: comfy-nodes duplicates ~/ComfyUI/custom_nodes --html duplicates.html
    """
    from registry_client.duplicates import find_duplicates
    from registry_client.duplicates_page import render

    client = options.open_client(base_dir, registry, cache_dir, None, offline, log_level)
    members = list(_members(client, places or [], all_registry))
    groups = find_duplicates(members, _near(members), threshold)
    if html:
        write_answer(html, render(groups).encode())
    if as_json:
        print_json([{**asdict(group), "members": [_facts(member) for member in group.members]} for group in groups])
    else:
        _show(groups, len(members), html)


def _members(client: Client, places: list[Path], all_registry: bool) -> Iterable[Member]:
    from registry_client.duplicates import Member, read_node_map, read_packs

    if all_registry:
        client.registries.refresh(whole=True)
        for claim, pack in client.registries.claims():
            yield Member(pack, claim.id, claim.title, claim.code)
        return
    installed = client.workspace.current() if not places else None
    for place in [*places, *(pack.folder for pack in (installed.packs if installed else ()))]:
        yield from read_packs(place) if place.is_dir() else read_node_map(place)
    if client.host and not all(place.is_dir() for place in places):
        yield from (Member(client.host.pack, node) for node in sorted(client.host.nodes))


def _near(members: Iterable[Member]) -> Near | None:
    """Similar code is looked for where there is any code to compare; the library takes its time to load."""
    if not any(member.signature for member in members):
        return None
    from sdk.similarity import near

    return near


def _facts(member: Member) -> dict[str, str]:
    return {"pack": member.pack, "id": member.id, "title": member.title, "place": member.place}


def _show(groups: list[Group], count: int, html: Path | None) -> None:
    from sdk.terminal import say, stdout

    rows = [
        (
            group.kind + (f" {group.similarity:.0%}" if group.similarity < 1 else ""),
            group.key[:60],
            ", ".join(f"{member.pack}/{member.id}" for member in group.members),
        )
        for group in groups
    ]
    show_rows(("same", "name", "nodes"), rows[:SHOWN], as_json=False, empty="no node is there twice")
    kinds = Counter(group.kind for group in groups)
    more = f"; {len(rows) - SHOWN} more rows with --json or --html" if len(rows) > SHOWN else ""
    summary = ", ".join(f"{number} by {kind}" for kind, number in kinds.items())
    say(stdout(), f"{count} nodes{f': {summary}' if summary else ''}{more}")
    if html:
        say(stdout(), f"wrote {html}")
