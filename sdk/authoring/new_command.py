"""``comfy-nodes new``: begin a pack, from nothing or from a ComfyUI pack."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from sdk import terminal
from sdk.authoring import options


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pack's name, such as acme-tint.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Default: a folder of the pack's name, here.")
    ] = None,
    from_comfyui: Annotated[
        Path | None,
        typer.Option("--from-comfyui", metavar="DIR", help="Begin with the nodes of a ComfyUI pack.", file_okay=False),
    ] = None,
    author: Annotated[str, typer.Option(metavar="NAME", help="For the licence.")] = "",
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Begin a pack: manifest, a node, a hook, tests and a workflow, all of which work at once."""
    from sdk.authoring.scaffold import names_for, new_files, write_new
    from sdk.authoring.wrapping import wrap

    names = names_for(name)
    target = folder or Path(name)
    year = datetime.datetime.now(datetime.UTC).year
    holder = author or f"the authors of {name}"
    wrapped = wrap(from_comfyui, names, author=holder, year=year) if from_comfyui else None
    files = wrapped.files if wrapped else new_files(names, author=holder, year=year)
    if not dry_run:
        write_new(target, files)
    facts = {
        "pack": name,
        "folder": str(target),
        "written": not dry_run,
        "files": sorted(files),
        "nodes": list(wrapped.nodes) if wrapped else [f"{names.prefix}Tint"],
        "dropped": list(wrapped.dropped) if wrapped else [],
        "unread": list(wrapped.unread) if wrapped else [],
    }
    done = "would write" if dry_run else "wrote"
    sentence = f"{done} {target}: {len(files)} files. Next: cd {target} && comfy-nodes test"
    options.report(facts, sentence, as_json=as_json)
    if wrapped and not as_json:
        for requirement in wrapped.dropped:
            terminal.say(terminal.stderr(), f"left out of the dependencies: {requirement}, which the host brings")
        for place in wrapped.unread:
            terminal.say(terminal.stderr(), place, "yellow")
