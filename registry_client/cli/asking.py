"""Commands that answer questions: list, info, search, why, outdated, audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry_client.cli import options
from registry_client.cli.answers import show_rows
from sdk.terminal import print_json

if TYPE_CHECKING:
    from registry_client.lockfile import Lock, LockedPack
    from sdk.registry import Pack, Release

SHOWN_NODES = 3
Name = Annotated[str, typer.Argument(metavar="PACK", show_default=False)]


def list_packs(
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """List the installed packs."""
    rows = [
        (
            pack.id,
            pack.version,
            "disabled" if not pack.enabled else "isolated" if pack.isolated else "enabled",
            pack.source or pack.registry,
            len(pack.nodes),
            pack.requested or "by other packs",
        )
        for pack in options.open_workspace(base_dir, log_level).lock().packs
    ]
    headings = ("pack", "version", "state", "from", "nodes", "asked for")
    show_rows(headings, rows, as_json=as_json, empty="no pack is installed; try `comfy-nodes search WORD`")


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD…", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 20,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Find packs by words in their names, descriptions, tags and publishers, or in the ids of their nodes."""
    client = options.open_client(base_dir, registry, cache_dir, None, offline, log_level)
    client.registries.refresh(whole=True)
    wanted = " ".join(words)
    named = client.registries.search(wanted, limit)
    known = {found.id for found in named}
    providing = client.registries.nodes_like(wanted, limit)
    rows = [(f.id, f.version, f.publisher, f.description.partition("\n")[0]) for f in named]
    rows += [(f.id, f.version, f.publisher, _provides(nodes)) for f, nodes in providing if f.id not in known]
    show_rows(("pack", "version", "publisher", "about"), rows[:limit], as_json=as_json, empty="no pack has these words")


def _provides(nodes: list[str]) -> str:
    more = f" and {len(nodes) - SHOWN_NODES} others" if len(nodes) > SHOWN_NODES else ""
    return f"provides the node{'s' if len(nodes) > 1 else ''} {', '.join(nodes[:SHOWN_NODES])}{more}"


def info(
    pack: Name,
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Show a pack: what it is, its versions, what it needs, what it provides."""
    from registry_client.errors import NotThere
    from sdk.registry import encode_pack

    client = options.open_client(base_dir, registry, cache_dir, None, offline, log_level)
    installed = client.lock().pack(pack)
    listing = None
    if client.settings.registries:
        client.registries.refresh()
        listing = client.registries.pack(pack)
    if listing is None and installed is None:
        raise NotThere(f"no registry has a pack {pack!r}, and none of that name is installed.")
    if as_json:
        import json

        document: dict[str, Any] = json.loads(encode_pack(listing.pack)) if listing else {"id": pack}
        version = installed.version if installed else None
        print_json({**document, "registry": listing.registry if listing else "", "installed": version})
    elif listing:
        _show_pack(listing.pack, listing.registry, installed)
    elif installed:
        _show_installed(installed)


def why(
    pack: Name,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Say why a pack or a Python package is installed."""
    from sdk.terminal import say, stdout

    lines = _reasons(options.open_workspace(base_dir, log_level).lock(), pack)
    if as_json:
        print_json({"pack": pack, "reasons": lines})
        return
    for line in lines:
        say(stdout(), line)


def outdated(
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """List installed packs of which there is a newer version, and what keeps it away."""
    from packaging.version import Version

    from registry_client.resolution.candidates import Policy, sort_releases
    from registry_client.resolution.needs import against_host

    client = options.open_client(base_dir, registry, cache_dir, None, offline, log_level)
    lock = client.lock()
    client.registries.refresh()
    client.registries.prefetch([pack.id for pack in lock.packs])
    rows = []
    for pack in lock.packs:
        listing = None if pack.source else client.registries.pack(pack.id)
        if listing is None:
            continue
        found = sort_releases(listing.pack, listing.registry, client.facts, Policy())
        refused = [f"{v}: {why_}" for v, why_ in found.refused.items() if _is_newer(v, pack.version)]
        newer = []
        for candidate in found.usable:
            if candidate.version > Version(pack.version):
                against = against_host(candidate, client.facts)
                newer += [] if against else [candidate.version]
                refused += [f"{candidate.release.version}: {against}"] if against else []
        if newer or refused:
            newest = str(newer[0]) if newer else ""
            rows.append((pack.id, pack.version, pack.requested or "by other packs", newest, "; ".join(refused)))
    headings = ("pack", "installed", "asked for", "newest usable", "not usable here")
    show_rows(headings, rows, as_json=as_json, empty="every pack is at its newest version")


def audit(
    base_dir: options.BaseDir = None,
    registry: options.Registry = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Look for installed packs that were withdrawn, changed or found dangerous; ends with 12 where there are any."""
    from registry_client.auditing import audit_lock
    from registry_client.errors import CheckFailed

    client = options.open_client(base_dir, registry, cache_dir, None, offline, log_level)
    if client.settings.registries:
        client.registries.refresh()
    index = client.registries if client.settings.registries else None
    findings = audit_lock(client.lock(), index, client.workspace)
    rows = [(f.level, f.pack, f.version, f.problem) for f in findings]
    show_rows(("level", "pack", "version", "problem"), rows, as_json=as_json, empty="nothing was found")
    serious = any(finding.level == "high" for finding in findings)
    if serious and as_json:
        raise typer.Exit(CheckFailed.exit_code)
    if serious:
        raise CheckFailed(f"{sum(f.level == 'high' for f in findings)} serious finding(s); see the list.")


def _is_newer(version: str, than: str) -> bool:
    from packaging.version import Version

    try:
        return Version(version) > Version(than)
    except ValueError:
        return False


def _newest(pack: Pack) -> str:
    from registry_client.index.summary import newest

    release = newest(pack)
    return release.version if release else ""


def _show_pack(pack: Pack, registry: str, installed: LockedPack | None) -> None:
    from rich.text import Text

    from sdk.terminal import escaped, say, stdout

    console = stdout()
    name = f"  {escaped(' '.join(pack.name.split()))}" if pack.name else ""
    console.print(Text.assemble((escaped(pack.id), "bold"), name))
    facts = {
        "about": pack.description,
        "publisher": pack.publisher,
        "repository": pack.repository,
        "license": pack.license,
        "registry": registry,
        "installed": installed.version if installed else "no",
        "deprecated": pack.deprecated.reason if pack.deprecated else "",
        "versions": ", ".join(_release_name(release) for release in reversed(pack.releases)),
    }
    release = next((r for r in reversed(pack.releases) if r.version == _newest(pack)), None)
    if release:
        facts |= {
            "needs packs": ", ".join(release.packs),
            "needs Python packages": ", ".join(release.dependencies),
            "permissions": ", ".join(release.permissions),
            "nodes": ", ".join(claim.id for claim in release.nodes),
        }
    for name, value in facts.items():
        if value:
            lines = value.replace("\n", "\n    ")  # so that no text looks like a fact of ours
            say(console, f"{name}: {lines}")


def _release_name(release: Release) -> str:
    return release.version if release.state == "active" else f"{release.version} ({release.state})"


def _show_installed(pack: LockedPack) -> None:
    from sdk.terminal import say, stdout

    say(stdout(), f"{pack} from {pack.source or pack.registry}; nodes: {', '.join(pack.nodes) or 'unknown'}")


def _reasons(lock: Lock, name: str) -> list[str]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    from registry_client.errors import NotThere

    pack = lock.pack(name)
    if pack is not None:
        asked = [f"you asked for {pack.id}{'' if pack.requested == '*' else pack.requested}"] if pack.requested else []
        return [*asked, *(f"{other} needs {text}" for other, text in lock.needing(pack))]
    folded = canonicalize_name(name)
    lines = [
        f"{p} needs {text}"
        for p in lock.packs
        for text in p.dependencies
        if canonicalize_name(Requirement(text).name) == folded
    ]
    if not lines and all(wheel.name != folded for wheel in lock.wheels):
        raise NotThere(f"neither a pack nor a Python package {name!r} is installed for packs.")
    return lines or [f"a Python package that packs need brings {name} with it"]
