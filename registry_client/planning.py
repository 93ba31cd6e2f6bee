"""From what is installed and what is asked for to the lock that shall be; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from registry_client.cautions import cautions
from registry_client.errors import BadRequirement, Unreachable
from registry_client.index.protocol import Index
from registry_client.lockfile import Lock, LockedPack, LockedWheel
from registry_client.ownership import Claimant, claimant, decide
from registry_client.packages.choosing import PacksDisagree, choose_isolated_wheels, choose_wheels
from registry_client.packages.uv import Uv
from registry_client.requests import (
    ANY,
    Request,
    direct_candidates,
    isolated_packs,
    policy_of,
    preferred_wheels,
    wanted_packs,
)
from registry_client.requirements import Wanted
from registry_client.resolution.candidates import Candidate
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.no_solution import NoSolution
from registry_client.resolution.provider import Nogood
from registry_client.resolution.resolve import Resolution, resolve
from sdk.registry import fold

MAX_TRIES = 8


@dataclass(frozen=True)
class Plan:
    """What will be: the lock before and after, and what the user should know."""

    before: Lock
    lock: Lock
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """Packs that change: id, version before and after; "" where there is none."""
        return _changes(
            {pack.id: _name(pack) for pack in self.before.packs}, {pack.id: _name(pack) for pack in self.lock.packs}
        )

    @property
    def wheel_changes(self) -> list[tuple[str, str, str]]:
        """The same for Python packages."""
        return _changes(
            {_wheel_name(wheel): wheel.version for wheel in self.before.wheels},
            {_wheel_name(wheel): wheel.version for wheel in self.lock.wheels},
        )


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Plans for one host; ``host`` is what its own nodes claim, if that is known."""

    index: Index
    facts: HostFacts
    uv: Uv
    host: Claimant | None = None
    warnings: list[str] = field(default_factory=list)

    def plan(self, request: Request, before: Lock) -> Plan:
        """The lock that fulfils the request, with as few changes as it allows.

        Raises:
            NotThere: a pack to drop is not installed.
            NoSolution: the packs can't be installed together.
            DuplicateNodes: they provide the same node, and nothing was decided about it.
            Unreachable: a registry or an index could not be asked.
        """
        roots = wanted_packs(before, request)
        isolated = isolated_packs(before, request)
        resolution, wheels = self._resolve(roots, request, before)
        _check_chosen(resolution, request)
        packs = tuple(_locked(c, before, roots, request, isolated) for c in resolution.packs)
        lock = replace(self._empty(), packs=packs, wheels=wheels)
        claimants = {fold(c.id): claimant(c.id, c.release.version, c.release) for c in resolution.packs}
        owners = self._owners(lock, claimants, request.prefer, {**before.owners, **request.owners})
        warnings = [*_staying(lock, request), *cautions(resolution, request.scripts, before)]
        return Plan(before, replace(lock, owners=owners), tuple(warnings))

    def reown(self, lock: Lock) -> Lock:
        """The lock with its owners decided again, after packs were enabled or disabled."""
        claimants = {fold(p.id): Claimant(p.id, p.version, frozenset(p.nodes)) for p in lock.packs}
        return replace(lock, owners=self._owners(lock, claimants, (), lock.owners))

    def _empty(self) -> Lock:
        return Lock(host=self.facts.version, python=".".join(self.facts.python.split(".")[:2]))

    def _owners(
        self, lock: Lock, claimants: Mapping[str, Claimant], prefer: tuple[str, ...], decided: Mapping[str, str]
    ) -> dict[str, str]:
        taking_part = [claimants[fold(pack.id)] for pack in lock.packs if pack.enabled]
        return decide([*([self.host] if self.host else []), *taking_part], prefer, decided)

    def _resolve(
        self, roots: Mapping[str, Wanted], request: Request, before: Lock
    ) -> tuple[Resolution, tuple[LockedWheel, ...]]:
        direct = direct_candidates(before, request)
        policy = policy_of(before, request)
        wanted = [root for folded, root in roots.items() if folded not in direct]
        nogoods: list[Nogood] = []
        first: PacksDisagree | None = None
        while True:
            try:
                chosen = resolve(wanted, self.index, self.facts, policy, direct=direct, nogoods=nogoods)
            except NoSolution as error:
                raise (NoSolution([first.cause()]) if first else error) from error
            try:
                return chosen, self._wheels(chosen, request, before)
            except PacksDisagree as error:
                first = first or error
                nogoods.append(frozenset((fold(pack.id), pack.release.version) for pack in error.packs))
                if len(nogoods) == MAX_TRIES:
                    raise NoSolution([first.cause()]) from error

    def _wheels(self, chosen: Resolution, request: Request, before: Lock) -> tuple[LockedWheel, ...]:
        """Python packages for these packs; where no index answers and no others are needed, those that are there."""
        isolated = isolated_packs(before, request)
        together = [pack for pack in chosen.packs if fold(pack.id) not in isolated]
        apart = [pack for pack in chosen.packs if fold(pack.id) in isolated]
        preferred = preferred_wheels(before, request)
        try:
            wheels = choose_wheels(together, self.facts, self.uv, preferred.get(""))
            own = (choose_isolated_wheels(p, self.facts, self.uv, preferred.get(fold(p.id))) for p in apart)
            return (*wheels, *chain.from_iterable(own))
        except Unreachable:
            if request.only_drops or _needs_nothing_new(chosen, request, before):
                staying = {"", *(fold(pack.id) for pack in chosen.packs)}
                return tuple(wheel for wheel in before.wheels if fold(wheel.pack) in staying)
            raise


def _needs_nothing_new(chosen: Resolution, request: Request, before: Lock) -> bool:
    """Whether the packs that need Python packages are all there already, as they shall be, and no update is wanted."""
    if request.update or request.wheels is not None:
        return False
    isolated = isolated_packs(before, request)
    there = {pack.sha256 for pack in before.packs if pack.isolated is (fold(pack.id) in isolated)}
    return all(pack.release.sha256 in there for pack in chosen.packs if pack.release.dependencies)


def _staying(lock: Lock, request: Request) -> Iterator[str]:
    """A sentence for each pack that was to be dropped, and that others need."""
    for pack in filter(None, map(lock.pack, request.drop)):
        needing = " and ".join(str(other) for other, _ in lock.needing(pack))
        yield f"{pack} stays, because {needing} needs it; it goes with what needs it"


def _check_chosen(resolution: Resolution, request: Request) -> None:
    chosen = {fold(pack.id) for pack in resolution.packs}
    options = {"--isolate": request.isolate, "--no-isolate": request.together, "--allow-scripts": request.scripts}
    for option, names in options.items():
        if strange := [name for name in names if fold(name) not in chosen]:
            raise BadRequirement(f"{option} {strange[0]}: no such pack is installed, nor would be.")


def _locked(
    candidate: Candidate, before: Lock, roots: Mapping[str, Wanted], request: Request, isolated: frozenset[str]
) -> LockedPack:
    old, release = before.pack(candidate.id), candidate.release
    root = roots.get(fold(candidate.id))
    requested = str(root.specifier) or ANY if root else ""
    allowed = fold(candidate.id) in {fold(name) for name in request.scripts}
    same = old is not None and old.sha256 == release.sha256
    scripts = (release.install_script and allowed) or bool(old and old.scripts and same)
    return LockedPack(
        id=candidate.id,
        version=release.version,
        sha256=release.sha256,
        size=release.size,
        registry=candidate.registry,
        url=release.url,
        source=candidate.source,
        requested=requested or (ANY if candidate.source else ""),
        packs=release.packs,
        dependencies=release.dependencies,
        nodes=tuple(sorted({name for claim in release.nodes for name in (claim.id, *claim.aliases)})),
        enabled=old is None or old.enabled or fold(old.id) in request.enable,
        scripts=scripts,
        isolated=fold(candidate.id) in isolated,
    )


def _name(pack: LockedPack) -> str:
    facts = [f"from {pack.source}"] * bool(pack.source) + ["isolated"] * pack.isolated
    return f"{pack.version} ({', '.join(facts)})" if facts else pack.version


def _wheel_name(wheel: LockedWheel) -> str:
    return f"{wheel.name} for {wheel.pack}" if wheel.pack else wheel.name


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = sorted({*before, *after}, key=str.lower)
    rows = [(name, before.get(name, ""), after.get(name, "")) for name in names]
    return [row for row in rows if row[1] != row[2]]
