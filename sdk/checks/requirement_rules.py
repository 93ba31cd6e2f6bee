"""The rules about Python requirements: of the manifest, and of a ``requirements.txt`` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from sdk.checks.findings import Finding
from sdk.checks.rules import RULES
from sdk.manifest import PackManifest
from sdk.python_requirements import parse_requirement

CORE_PACKAGES = frozenset(
    [
        "torch",
        "torchvision",
        "torchaudio",
        "numpy",
        "pillow",
        "scipy",
        "transformers",
        "diffusers",
        "safetensors",
        "tokenizers",
        "sqlalchemy",
        "fastapi",
        "huggingface-hub",
        "accelerate",
    ]
)
_COMMIT = re.compile(r"@[0-9a-f]{40}(?:[#?]|$)")
_INDEX_OPTIONS = ("--index-url", "-i ", "--extra-index-url", "--find-links", "-f ", "--trusted-host")


def host_ranges() -> dict[str, str]:
    """What this host itself asks of the packages it shares with all packs, by name."""
    try:
        lines = requires("comfy-nodes") or []
    except PackageNotFoundError:
        return {}
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(item.name): str(item.specifier) for item in found}


def requirement_findings(folder: Path, manifest: PackManifest | None, ranges: Mapping[str, str]) -> Iterator[Finding]:
    """CN130 to CN133."""
    ranges = {canonicalize_name(name): text for name, text in ranges.items()}
    for text in manifest.dependencies if manifest else ():
        yield from _checked(text, "pyproject.toml", _line_of(folder / "pyproject.toml", text), ranges)
    path = folder / "requirements.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        line = line.partition(" #")[0].strip()
        if line.startswith(_INDEX_OPTIONS):
            yield RULES["CN133"].found(f"{line.split()[0]} is ignored", "requirements.txt", number)
        elif line and not line.startswith(("#", "-")):
            yield from _checked(line, "requirements.txt", number, ranges)


def _checked(text: str, file: str, line: int, ranges: Mapping[str, str]) -> Iterator[Finding]:
    if "git+" in text:
        if not _COMMIT.search(text):
            yield RULES["CN132"].found(f"{text!r} names no commit", file, line)
        return
    try:
        requirement = parse_requirement(text)
    except ValueError:
        return
    name = canonicalize_name(requirement.name)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    if name in ranges and not _can_agree(requirement.specifier, ranges[name]):
        yield RULES["CN130"].found(f"{text!r}, and the host needs {name}{ranges[name]}", file, line)
    elif name in CORE_PACKAGES and any(part.operator in ("==", "===") for part in requirement.specifier):
        yield RULES["CN131"].found(f"{text!r} allows one version alone", file, line)


def _can_agree(one: SpecifierSet, other: str) -> bool:
    """Whether some version satisfies both; versions at and beside every bound are tried."""
    try:
        both = one & SpecifierSet(other)
        tried = [near for part in both for near in _near(part.version)]
    except ValueError:
        return True
    return not tried or any(both.contains(version, prereleases=True) for version in tried)


def _near(text: str) -> list[Version]:
    version = Version(text.removesuffix(".*"))
    release = [*version.release, 0, 0][: max(3, len(version.release))]
    above = [*release[:-1], release[-1] + 1]
    below = Version(f"{version.public}.dev0" if version.pre is None and version.dev is None else "0")
    higher = [Version(f"{release[0] + 1}.0"), Version(f"{release[0]}.{release[1] + 1}")]
    before = (
        [Version(f"{release[0]}.{release[1] - 1}.9999")] if release[1] else [Version(f"{max(release[0] - 1, 0)}.9999")]
    )
    return [version, Version(".".join(map(str, above))), below, *higher, *before]


def _line_of(path: Path, text: str) -> int:
    """The line of the manifest that holds a requirement; 0 where it is not written in one piece."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return next((number for number, line in enumerate(lines, start=1) if text in line), 0)
