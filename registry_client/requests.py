"""What a user asks to be changed, and what that comes to with what is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from packaging.specifiers import SpecifierSet

from registry_client.errors import NotThere
from registry_client.lockfile import Lock, LockedPack
from registry_client.requirements import Wanted
from registry_client.resolution.candidates import Candidate, Policy
from registry_client.sources import Prepared, locked_candidate
from sdk.registry import fold

ANY = "*"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What shall change.

    Attributes:
        add: packs that are asked for.
        direct: packs from folders, archives and git.
        drop: ids of packs to remove.
        update: folded ids of packs that need not stay at their version; ``*`` for all.
        prefer: packs that get the node names they claim.
        scripts: packs whose ``install.py`` may run.
        isolate, together: packs that get a process of their own, and those that no longer do.
        prereleases: folded ids; ``*`` for all.
        wheels: versions of Python packages to take where nothing speaks against them, by the folded id of the isolated
            pack that has them, "" for those that packs share. By default those that are there.
        owners: of node ids that several packs claim, as decided elsewhere.
        enable: folded ids of packs that the host shall load.
    """

    add: tuple[Wanted, ...] = ()
    direct: tuple[Prepared, ...] = ()
    drop: tuple[str, ...] = ()
    update: frozenset[str] = frozenset()
    prefer: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    isolate: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    prereleases: frozenset[str] = frozenset()
    exclude_newer: datetime | None = None
    wheels: Mapping[str, Mapping[str, str]] | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    enable: frozenset[str] = frozenset()

    @property
    def only_drops(self) -> bool:
        """Whether packs are removed, and nothing else is asked for."""
        return bool(self.drop) and not (self.add or self.direct or self.update)


def wanted_packs(before: Lock, request: Request) -> dict[str, Wanted]:
    """What the user wants in all, by folded id: what was asked for before, and now.

    Raises:
        NotThere: a pack to drop is not installed, or others need it.
    """
    dropped = {fold(before.require(name).id) for name in request.drop}
    roots = {fold(p.id): Wanted(p.id, _range(p.requested)) for p in before.packs if p.requested}
    for folded in dropped:
        if roots.pop(folded, None) is None:
            needing = [pack.id for pack in before.packs if folded in _pack_names(pack)]
            raise NotThere(f"{folded} was not asked for by itself: {', '.join(needing)} needs it. Uninstall that.")
    return roots | _together(request.add)


def _together(asked: Iterable[Wanted]) -> dict[str, Wanted]:
    """The packs by folded id; of one that is named twice, both ranges hold."""
    found: dict[str, Wanted] = {}
    for item in asked:
        other = found.get(item.folded)
        found[item.folded] = replace(item, specifier=item.specifier & other.specifier) if other else item
    return found


def _range(requested: str) -> SpecifierSet:
    return SpecifierSet("" if requested == ANY else requested)


def _pack_names(pack: LockedPack) -> set[str]:
    from packaging.requirements import Requirement

    names = set()
    for text in pack.packs:
        try:
            names.add(fold(Requirement(text).name))
        except ValueError:
            continue
    return names


def direct_candidates(before: Lock, request: Request) -> dict[str, Candidate]:
    """Packs from folders, archives and git by folded id: those that stay, and those that are asked for."""
    away = {fold(name) for name in request.drop} | {item.folded for item in request.add}
    kept = {fold(p.id): locked_candidate(p) for p in before.packs if p.source and fold(p.id) not in away}
    return kept | {fold(item.candidate.id): item.candidate for item in request.direct}


def policy_of(before: Lock, request: Request) -> Policy:
    """What may be chosen: packs stay at their versions, but for those that are asked for."""
    named = {item.folded for item in request.add if item.specifier}
    free = request.update | named
    installed = {fold(p.id): p.version for p in before.packs if not p.source}
    locked = {folded: version for folded, version in installed.items() if not free & {folded, ANY}}
    return Policy(
        prereleases=request.prereleases,
        exclude_newer=request.exclude_newer,
        installed=installed,
        locked=locked,
        isolated=isolated_packs(before, request),
    )


def preferred_wheels(before: Lock, request: Request) -> Mapping[str, Mapping[str, str]]:
    """Versions of Python packages that are taken where nothing speaks against them, as ``Request.wheels`` has them."""
    if request.wheels is not None:
        return request.wheels
    found: dict[str, dict[str, str]] = {}
    for wheel in before.wheels if ANY not in request.update else ():
        if wheel.version:
            found.setdefault(fold(wheel.pack), {})[wheel.name] = wheel.version
    return found


def isolated_packs(before: Lock, request: Request) -> frozenset[str]:
    """Folded ids of the packs that shall have a process of their own."""
    already = {fold(pack.id) for pack in before.packs if pack.isolated}
    return frozenset((already | set(map(fold, request.isolate))) - set(map(fold, request.together)))
