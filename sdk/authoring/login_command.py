"""``comfy-nodes login``: keep a registry's token for the commands that publish."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sdk.authoring import options


def login(
    registry: options.Registry = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="Default: asked for, or read from standard input where that is no terminal."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="ours|comfy", help="What the registry speaks; `comfy` can't check a token.")
    ] = "ours",
    forget: Annotated[bool, typer.Option("--forget", help="Forget the token that is kept.")] = False,
    token_file: options.TokenFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Keep a registry's token: in the system's keyring, or in a file that only you can read.

    The registry is asked whether it knows the token before it is kept.
    """
    from sdk.authoring.destinations import Protocol, find_destination
    from sdk.authoring.registry_api import RegistryApi
    from sdk.authoring.tokens import default_store

    destination = find_destination(to, registry)
    address, store = destination.registry, default_store(token_file)
    if forget:
        was = store.get(address) is not None if dry_run else store.forget(address)
        sentence = f"{'would forget' if dry_run else 'forgot'} the token for {address}" if was else "no token is kept"
        options.report({"registry": address, "forgotten": was and not dry_run}, sentence, as_json=as_json)
        return
    secret = (token or _asked(address)).strip()
    if not secret:
        raise typer.BadParameter("the token is empty", param_hint="--token")
    who = {}
    if destination.protocol is Protocol.OURS:
        with RegistryApi(address, secret) as api:
            who = api.whoami()
    if not dry_run:
        store.put(address, secret)
    facts = {"registry": address, "publisher": who.get("publisher", ""), "scopes": who.get("scopes", [])}
    ends = f", until {who['expires']}" if who.get("expires") else ""
    name = f" as {who['publisher']}" if who.get("publisher") else ""
    sentence = f"{'would log' if dry_run else 'logged'} in to {address}{name}{ends}; the token is kept in {store.place}"
    options.report(facts | {"expires": who.get("expires"), "kept": not dry_run}, sentence, as_json=as_json)


def _asked(address: str) -> str:
    if sys.stdin.isatty():
        answer: str = typer.prompt(f"Token for {address}", hide_input=True, err=True)
        return answer
    return sys.stdin.readline()
