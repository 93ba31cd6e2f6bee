"""``comfy-nodes deprecate``: ask users to leave a pack, or one version of it."""

from __future__ import annotations

from typing import Annotated

import typer

from sdk.authoring import options


def deprecate(
    pack: options.PackName,
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="This version alone; default: the whole pack.")
    ] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; users see it.")] = "",
    replacement: Annotated[str, typer.Option(metavar="PACK", help="What to use instead.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    registry: options.Registry = None,
    token_file: options.TokenFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Mark a pack, or one version, as deprecated. It still installs; users are told why and what to use instead."""
    from sdk.authoring.registries import registry_address
    from sdk.authoring.registry_api import RegistryApi

    address = registry_address(registry)
    named = f"{pack} {version}".strip()
    instead = f"; the replacement is {replacement}" if replacement and not undo else ""
    if dry_run:
        facts = {"id": pack, "version": version, "registry": address, "changed": False}
        what = "would not be deprecated any more" if undo else "would be deprecated"
        options.report(facts, f"{named} {what} at {address}{instead}", as_json=as_json)
        return
    with RegistryApi(address, options.token_for(address, token_file)) as api:
        if undo:
            answer = api.undeprecate(pack, version)
        else:
            answer = api.deprecate(pack, reason, replacement, version)
    said = "is not deprecated any more" if undo else "is deprecated"
    options.report(
        {"registry": address, "changed": True, **answer}, f"{named} {said} at {address}{instead}", as_json=as_json
    )
