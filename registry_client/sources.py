"""Packs from elsewhere than a registry: a folder, an archive, a git repository. All become an archive first."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from registry_client.errors import InstallFailed, NotThere
from registry_client.lockfile import LockedPack
from registry_client.requirements import DirectSource, read_wanted
from registry_client.resolution.candidates import Candidate
from sdk.archives import build_archive, read_archive, unpack
from sdk.inspection import inspect_pack
from sdk.manifest import PackManifest, read_manifest
from sdk.registry import NodeClaim, Release


@dataclass(frozen=True)
class Prepared:
    """A direct source as an archive, with what resolving needs to know."""

    candidate: Candidate
    archive: Path


def prepare(source: DirectSource, folder: Path) -> Prepared:
    """Make an archive of a source, in a folder of the caller's.

    Raises:
        ManifestError: it has no usable ``pyproject.toml``.
        ArchiveError: the archive is not safe to unpack, or can't be built.
        InstallFailed: git failed.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    if source.kind == "archive":
        archive = Path(source.place)
        unpack(archive, place / "pack")
        facts = read_archive(archive)
        return _prepared(source, facts.sha256, facts.size, place / "pack", archive)
    tree = Path(source.place)
    if source.kind == "git":
        tree, source = _clone(source, place / "clone")
    archive = place / "pack.zip"
    facts = build_archive(tree, archive)
    unpack(archive, place / "pack")
    return _prepared(source, facts.sha256, facts.size, place / "pack", archive)


def prepare_again(pack: LockedPack, folder: Path) -> Prepared:
    """The archive of a direct source of a lock.

    Raises:
        NotThere: the folder or file is gone.
        InstallFailed: its content is not what it was.
    """
    found = read_wanted(pack.source, folder)
    if not isinstance(found, DirectSource):
        raise NotThere(f"{pack} comes from {pack.source!r}, which is no folder, archive or git address.")
    prepared = prepare(found, folder)
    if prepared.candidate.release.sha256 != pack.sha256:
        raise InstallFailed(
            f"{pack.source} has changed since {pack} was locked. Restore it, or install it again: "
            f"comfy-nodes install {pack.source}"
        )
    return prepared


def locked_candidate(pack: LockedPack) -> Candidate:
    """A direct source as it is installed, for resolving the others around it."""
    return Candidate(id=pack.id, release=pack.release(), version=Version(pack.version), source=pack.source)


def _prepared(source: DirectSource, sha256: str, size: int, tree: Path, archive: Path) -> Prepared:
    manifest = read_manifest(tree)
    release = _release(manifest, sha256, size, tree)
    candidate = Candidate(id=manifest.name, release=release, version=Version(manifest.version), source=str(source))
    return Prepared(candidate, archive)


def _release(manifest: PackManifest, sha256: str, size: int, tree: Path) -> Release:
    inspection = inspect_pack(tree)
    claims = tuple(NodeClaim(id=n.id, title=n.title, code=n.code, aliases=n.aliases) for n in inspection.nodes)
    return Release(
        version=manifest.version,
        sha256=sha256,
        size=size,
        url="",
        requires_python=manifest.requires_python,
        host_api=manifest.host_api,
        dependencies=manifest.dependencies or _requirements_file(tree),
        packs=manifest.packs,
        systems=manifest.systems,
        accelerators=manifest.accelerators,
        permissions=manifest.permissions,
        nodes=claims,
        nodes_complete=not inspection.unread,
        install_script=(tree / "install.py").is_file(),
    )


def _requirements_file(tree: Path) -> tuple[str, ...]:
    """What packs of ComfyUI list in ``requirements.txt``, where their manifest says nothing."""
    path = tree / "requirements.txt"
    if not path.is_file():
        return ()
    lines = (
        line.partition(" #")[0].strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    )
    return tuple(line for line in lines if line and not line.startswith(("#", "-")))


def _clone(source: DirectSource, folder: Path) -> tuple[Path, DirectSource]:
    """The tree at a revision, and the source with that revision's full name."""
    _git(source, "clone", "--quiet", "--no-checkout", source.place, str(folder))
    commit = _commit(source, folder)
    _git(source, "checkout", "--quiet", "--detach", commit, at=folder)
    shutil.rmtree(folder / ".git")
    return folder, replace(source, rev=commit)


def _commit(source: DirectSource, clone: Path) -> str:
    """The full name of the revision that is asked for: a commit, a tag or a branch."""
    for name in (source.rev, f"origin/{source.rev}") if source.rev else ("HEAD",):
        asked = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        with suppress(InstallFailed):
            return _git(source, *asked, at=clone).strip()
    raise NotThere(f"{source.place} has no commit, tag or branch {source.rev or 'HEAD'!r}.")


def _git(source: DirectSource, *arguments: str, at: Path | None = None) -> str:
    try:
        surroundings = {**os.environ, "LC_ALL": "C"}  # git marks what went wrong in English alone
        done = subprocess.run(
            ["git", *arguments],
            cwd=at,
            env=surroundings,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise InstallFailed("git+… addresses need the program git, which is not installed.") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        fatal = next((line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")), "")
        why = (fatal or (said[-1] if said else "it gave no reason")).rstrip(".")
        raise InstallFailed(f"{source.place} can't be fetched, git {arguments[0]} failed: {why}.")
    return done.stdout
