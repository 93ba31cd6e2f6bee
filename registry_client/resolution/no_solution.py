"""Why packs can't be installed together: first as data, then in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from packaging.version import Version

from registry_client.errors import ClientError
from registry_client.minimizing import smallest_failing
from registry_client.resolution.candidates import Candidate
from registry_client.resolution.needs import PYTHON, Need, needs_of
from registry_client.resolution.provider import PackProvider
from sdk.commands import ExitCode
from sdk.registry import fold

SHOWN = 5
GAVE_UP = "\nThe search was given up after many attempts; name versions of some packs with ==."


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing on which there is no agreement.

    Attributes:
        kind: ``pack`` or ``python``.
        name: of the pack or Python package.
        needs: who needs which range of it: pairs of ``"acme-tint 1.2.0"`` (or ``"you"``) and ``">=1,<2"``.
        host: the version that the host has and nobody replaces; "" where it has none.
        known: False where no registry has such a pack.
        in_range: versions that are in all ranges and still can't be chosen, with the reasons.
        versions: versions that may be chosen here, newest first.
        agreeing: other releases of packs in ``needs`` whose range agrees with everybody else's, newest first.
        detail: what uv said, where it took all Python packages to find out.
        elsewhere: registries that have a pack of that name, too, and are not asked, since an earlier one has it.
    """

    kind: str
    name: str
    needs: tuple[tuple[str, str], ...]
    host: str = ""
    known: bool = True
    in_range: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    agreeing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detail: str = ""
    elsewhere: tuple[str, ...] = ()


class NoSolution(ClientError):
    """The packs asked for can't be installed together; ``causes`` says why, as data."""

    exit_code = ExitCode.CONFLICT

    def __init__(self, causes: Sequence[Cause], *, gave_up: bool = False) -> None:
        self.causes, self.gave_up = tuple(causes), gave_up
        super().__init__(explain(self.causes) + (GAVE_UP if gave_up else ""))
        if self.causes and all(cause.kind == "pack" and not cause.known for cause in self.causes):
            self.exit_code = ExitCode.NOT_FOUND

    def with_elsewhere(self, find: Callable[[str], Sequence[str]]) -> NoSolution:
        """The same, with the registries that ``find`` gives for each pack's name."""
        told = [replace(c, elsewhere=tuple(find(c.name))) if c.kind == "pack" and c.known else c for c in self.causes]
        return NoSolution(told, gave_up=self.gave_up)

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "causes": [asdict(cause) for cause in self.causes]}


def cause_of(needs: Iterable[Need], provider: PackProvider) -> tuple[Cause, ...]:
    """The data behind a failed resolution."""
    grouped: dict[tuple[str, str], list[Need]] = {}
    for need in needs:
        group = grouped.setdefault(need.identifier, [])
        if str(need) not in map(str, group):
            group.append(need)
    return tuple(_cause(group, provider) for group in grouped.values())


def _cause(everybody: list[Need], provider: PackProvider) -> Cause:
    needs = _disagreeing(everybody, provider)
    pairs = tuple((need.who, str(need.specifier)) for need in needs)
    name = needs[0].name
    if needs[0].kind == PYTHON:
        host = provider.facts.installed.get(name, "")
        return Cause(kind="python", name=name, needs=pairs, host=host, agreeing=_agreeing(needs, everybody, provider))
    folded = needs[0].identifier[1]
    releases = provider.releases(folded, needs)
    in_range = {
        version: reason
        for version, reason in releases.refused.items()
        if all(_in_range(need, version) for need in needs)
    }
    return Cause(
        kind="pack",
        name=name,
        needs=pairs,
        known=folded not in provider.unknown,
        in_range=in_range,
        versions=tuple(str(c.version) for c in releases.usable),
        agreeing=_agreeing(needs, everybody, provider),
    )


def _disagreeing(needs: list[Need], provider: PackProvider) -> list[Need]:
    """Those that can't be met alone; else a smallest part that can't be met together, so that nobody else is blamed."""
    if alone := [need for need in needs if not provider.can_meet([need])]:
        return alone
    if provider.can_meet(needs):  # what they meet is excluded by something else
        return needs
    return list(smallest_failing(needs, lambda part: not provider.can_meet(part)))


def _agreeing(needs: list[Need], everybody: list[Need], provider: PackProvider) -> dict[str, tuple[str, ...]]:
    """For each pack that takes part: its other releases that would agree with the rest."""
    found: dict[str, tuple[str, ...]] = {}
    for need in needs:
        others = [other for other in everybody if other.by is not need.by]
        if need.by is None or need.by.source:
            continue
        usable = provider.releases(_folded(need.by)).usable
        fitting = [c for c in usable if c.version != need.by.version and _agrees(c, need, others, provider)]
        if fitting:
            found[need.by.id] = tuple(str(c.version) for c in fitting)
    return found


def _agrees(candidate: Candidate, need: Need, others: list[Need], provider: PackProvider) -> bool:
    mine = [n for n in needs_of(candidate, provider.facts) if n.identifier == need.identifier]
    return provider.can_meet([*mine, *others])


def _folded(candidate: Candidate) -> str:
    return fold(candidate.id)


def _in_range(need: Need, version: str) -> bool:
    try:
        return need.specifier.contains(Version(version), prereleases=True)
    except ValueError:
        return False


def explain(causes: Sequence[Cause]) -> str:
    """The causes in words: who needs what, what there is, and what would help."""
    return "\n".join(line for cause in causes for line in _lines(cause))


def _lines(cause: Cause) -> list[str]:
    if not cause.known:
        asked = ", ".join(who for who, _ in cause.needs if who != "you")
        return [
            f"no registry has a pack {cause.name!r}" + (f", which {asked} needs." if asked else "."),
            "  `comfy-nodes search WORD` finds packs by words and by nodes.",
        ]
    what = f"the Python package {cause.name}" if cause.kind == "python" else f"the pack {cause.name}"
    lines = [_headline(cause, what)]
    lines += [f"  {who} {'want' if who == 'you' else 'needs'} {cause.name}{ranges}" for who, ranges in cause.needs]
    lines += _what_there_is(cause)
    lines += [f"  {pack} {_some(versions)} would agree" for pack, versions in cause.agreeing.items()]
    if cause.detail:
        lines += ["  in detail:", *(f"    {line}" for line in cause.detail.splitlines())]
    return lines + _advice(cause)


def _headline(cause: Cause, what: str) -> str:
    packs = [who for who, _ in cause.needs if who != "you"]
    if cause.host:
        return f"{' and '.join(packs)} can't use the {cause.name} {cause.host} of this host, which is never replaced:"
    if len(cause.needs) > 1:
        return f"{' and '.join(who for who, _ in cause.needs)} can't agree on {what}:"
    return f"there is no usable version of {what}:"


def _what_there_is(cause: Cause) -> list[str]:
    shown = list(cause.in_range.items())[-SHOWN:]
    lines = [f"  {cause.name} {version} can't be chosen: {why}" for version, why in shown]
    if cause.kind == "pack" and not cause.in_range:
        lines.append(f"  usable versions here: {_some(cause.versions) or 'none'}")
    return lines


def _advice(cause: Cause) -> list[str]:
    if cause.elsewhere:
        names = " and ".join(cause.elsewhere)
        return [
            f"  {names} {'have' if len(cause.elsewhere) > 1 else 'has'} a pack {cause.name}, too, which is left out "
            f"because an earlier registry has one; if you mean that: --pin {cause.name}={cause.elsewhere[0]}"
        ]
    packs = sorted({who.rpartition(" ")[0] for who, _ in cause.needs if " " in who})
    if cause.kind != "python" or not packs:
        return []
    return [
        f"  Leave out {' or '.join(packs)}, name an agreeing version, or isolate one: `--isolate {packs[-1]}` gives "
        "it an environment and a process of its own, at the cost of starting it."
    ]


def _some(versions: Sequence[str]) -> str:
    more = f" and {len(versions) - SHOWN} others" if len(versions) > SHOWN else ""
    return ", ".join(versions[:SHOWN]) + more
