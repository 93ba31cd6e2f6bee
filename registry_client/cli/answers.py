"""How the client's commands print what they found or did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdk.terminal import print_json, print_table, say, stderr, stdout

if TYPE_CHECKING:
    from registry_client.likeness import Likeness
    from registry_client.planning import Plan
    from sdk.workspace import Generation


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool, empty: str) -> None:
    """A table, or a list of objects with the headings as keys."""
    found = [tuple(row) for row in rows]
    if as_json:
        print_json([dict(zip(headings, row, strict=True)) for row in found])
    elif found:
        print_table(stdout(), headings, [tuple(map(str, row)) for row in found])
    else:
        say(stdout(), empty)


def write_answer(path: Path, content: bytes) -> None:
    """Put an answer into the file that the user named for it, in the place of what was there.

    Raises:
        NotWritten: that can't be.
    """
    from registry_client.errors import NotWritten
    from sdk.whole_files import write_whole_file

    try:
        write_whole_file(path, [content])
    except OSError as error:
        raise NotWritten(path, error) from error


def show_plan(
    plan: Plan,
    generation: Generation | None,
    *,
    as_json: bool,
    dry_run: bool,
    alike: Sequence[Likeness] = (),
) -> None:
    """What an installation changed, or would change; ``alike`` is what is worth knowing about it besides."""
    if as_json:
        print_json({**_facts(plan, generation, dry_run), "similar": [found.as_json() for found in alike]})
        return
    for warning in plan.warnings:
        say(stderr(), f"warning: {warning}", "yellow")
    if not plan.changes and not plan.wheel_changes and generation is None:
        say(stdout(), "nothing to do: everything is as it should be")
        return
    for name, old, new in plan.changes:
        say(stdout(), f"{_sign(old, new)} {name} {_versions(old, new)}")
    for name, old, new in plan.wheel_changes:
        say(stdout(), f"{_sign(old, new)} {name} {_versions(old, new)} (Python package)")
    for node, owner in plan.lock.owners.items():
        if plan.before.owners.get(node) != owner:
            say(stdout(), f"  node {node!r} belongs to {owner}")
    for found in alike:
        say(stderr(), f"note: {found}")
    if generation:
        say(stdout(), f"generation {generation.number} is in use")
    elif dry_run:
        say(stdout(), "nothing was changed (--dry-run)")


def _facts(plan: Plan, generation: Generation | None, dry_run: bool) -> dict[str, Any]:
    return {
        "state": "succeeded",
        "dry_run": dry_run,
        "generation": generation.number if generation else None,
        "packs": [{"id": name, "before": old, "after": new} for name, old, new in plan.changes],
        "python_packages": [{"name": name, "before": old, "after": new} for name, old, new in plan.wheel_changes],
        "owners": dict(plan.lock.owners),
        "warnings": list(plan.warnings),
    }


def _sign(old: str, new: str) -> str:
    return "~" if old and new else "+" if new else "-"


def _versions(old: str, new: str) -> str:
    return f"{old} → {new}" if old and new else old or new
