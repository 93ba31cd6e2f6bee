"""``comfy-nodes yank``: take a published version out of resolving, or bring it back."""

from __future__ import annotations

from typing import Annotated

import typer

from sdk.authoring import options


def yank(
    pack: options.PackName,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version.", show_default=False)],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; users see it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let the version resolve again.")] = False,
    registry: options.Registry = None,
    token_file: options.TokenFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take a version out of resolving. Locks that name it keep working; nobody gets it anew."""
    from sdk.authoring.registries import registry_address
    from sdk.authoring.registry_api import RegistryApi

    address = registry_address(registry)
    done = "brought back" if undo else "yanked"
    if dry_run:
        facts = {"id": pack, "version": version, "registry": address, "changed": False}
        what = "would be brought back" if undo else "would be yanked"
        options.report(facts, f"{pack} {version} {what} at {address}", as_json=as_json)
        return
    with RegistryApi(address, options.token_for(address, token_file)) as api:
        answer = api.unyank(pack, version) if undo else api.yank(pack, version, reason)
    options.report(
        {"registry": address, "changed": True, **answer}, f"{done} {pack} {version} at {address}", as_json=as_json
    )
