"""Versions: which forms are taken, which are the same, which is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from packaging.version import Version

from registry_server.errors import BadRequest
from registry_server.packs.tables import ReleaseRow
from sdk.registry import State

SEMANTIC = re.compile(r"\d+\.\d+\.\d+(?:[-+.]?[0-9A-Za-z][0-9A-Za-z.+-]*)?")
"""What clients of the Comfy Registry can work with: three numbers, and perhaps a pre-release."""
LONGEST = 100


@lru_cache(maxsize=65_536)
def parse(version: str) -> Version:
    """The version, comparable.

    Raises:
        BadRequest: it is none (PEP 440).
    """
    try:
        parsed = Version(version)
    except ValueError as error:
        raise BadRequest(f"{version!r} is no version; write for example 1.0.0.") from error
    if len(version) > LONGEST:
        raise BadRequest(f"A version has at most {LONGEST} characters.")
    return parsed


def canonical(version: str) -> str:
    """The form in which two versions are the same: ``1.0`` and ``1.0.0`` are, ``1.0.0-beta`` and ``1.0b0``, too.

    Raises:
        BadRequest: it is none.
    """
    parsed = parse(version)
    text = str(parsed).lower()
    release = ".".join(map(str, parsed.release))
    trimmed = re.sub(r"(?:\.0)+$", "", release)
    return text.replace(release, trimmed, 1)


def check_semantic(version: str) -> None:
    """Return if clients of the Comfy Registry can use this version.

    Raises:
        BadRequest: they can't.
    """
    if not SEMANTIC.fullmatch(version):
        raise BadRequest(f"{version!r} must be a semantic version such as 1.2.3.")
    parse(version)


def oldest_first(releases: Iterable[ReleaseRow]) -> list[ReleaseRow]:
    """Releases in the order of their versions."""
    return sorted(releases, key=lambda release: parse(release.version))


def newest(releases: Sequence[ReleaseRow]) -> ReleaseRow | None:
    """The release that is installed where none is asked for: active, and no pre-release where there is another."""
    active = [release for release in releases if release.state == State.ACTIVE]
    finished = [release for release in active if not parse(release.version).is_prerelease]
    return max(finished or active, key=lambda release: parse(release.version), default=None)
