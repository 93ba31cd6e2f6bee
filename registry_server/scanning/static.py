"""Examines archives with the SDK's own readers, so that authors get the same findings on their machines."""

from __future__ import annotations

import logging
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from registry_server.errors import BadArchive, Unavailable
from registry_server.scanning.examined import Examined, ScanFinding
from sdk.archives import ArchiveError, Limits, UnsafeArchive, unpack
from sdk.checks import Finding, check_pack
from sdk.errors import ManifestError
from sdk.inspection import inspect_pack
from sdk.inspection.licences import declared_licence
from sdk.manifest import PackManifest, read_manifest
from sdk.python_requirements import parse_requirement

logger = logging.getLogger(__name__)

LONGEST_README = 200_000
REFUSED_RULES = ("CN130",)
"""Findings of these make publishing an error: what the host brings must never be replaced."""
_SMALL_PACK = {
    "pyproject.toml": '[project]\nname = "warm-up"\nversion = "1"\n',
    "LICENSE": "a text to look for among those that are known",
    "__init__.py": """
class Node:
    RETURN_TYPES, FUNCTION, CATEGORY = ("INT",), "run", "warm-up"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 1, "min": 0, "max": 9})}}

    def run(self, value):
        return (sum(step * value for step in range(value + 3) if step % 2) - value,)

NODE_CLASS_MAPPINGS = {"Node": Node}
""",
}
READMES = ("readme.md", "readme.rst", "readme.txt", "readme")


class StaticExaminer:
    """Unpacks an archive into a folder that is gone afterwards, and reads it; one archive's code after the other's.

    Reading code is Python's own work, so it would be no faster at once; and Python before 3.11.9 and 3.12.3 fails now
    and then when two threads parse (python/cpython#106905).

    Args:
        workspace: where to unpack; on a disk with room for the largest pack.
        limits: of archives.
        host_ranges: versions of the host's own packages; empty for those of this installation.
    """

    def __init__(self, workspace: Path, limits: Limits, host_ranges: Mapping[str, str]) -> None:
        self._workspace, self._limits, self._host_ranges = workspace, limits, dict(host_ranges)
        self._parsing = threading.Lock()

    def examine(self, archive: Path) -> Examined:
        """All there is to know.

        Raises:
            BadArchive: it, or the manifest in it, can't be used.
            Unavailable: there is no room to unpack it.
        """
        with self._folder() as folder:
            return self._examine(archive, folder / "pack")

    def warm_up(self) -> None:
        """Read a pack of one node, so that the first upload need not wait for the libraries that reading takes.

        They take half a second, most of it for ``datasketch``; so a server does this once it answers.

        Raises:
            Unavailable: there is no room to unpack it.
        """
        with self._folder() as folder:
            archive = folder / "pack.zip"
            with zipfile.ZipFile(archive, "w") as writing:
                for name, content in _SMALL_PACK.items():
                    writing.writestr(name, content)
            self._examine(archive, folder / "pack")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        try:
            with tempfile.TemporaryDirectory(prefix="examine-", dir=self._workspace) as folder:
                yield Path(folder)
        except OSError as error:
            logger.error("an archive could not be unpacked: %s", error)
            raise Unavailable(f"The registry can't take uploads now ({error.strerror}); try later.") from error

    def _examine(self, archive: Path, pack: Path) -> Examined:
        try:
            facts = unpack(archive, pack, self._limits)
            manifest = read_manifest(pack)
        except UnsafeArchive as error:
            problems = [f"{name!r} {problem}" for name, problem in error.problems]
            raise BadArchive(f"The archive is refused: {problems[0]}.", problems) from error
        except ArchiveError as error:
            raise BadArchive(f"The archive can't be used: {error}") from error
        except ManifestError as error:
            listed = "; ".join(error.problems)
            raise BadArchive(f"The archive's pyproject.toml: {listed}", error.problems) from error
        with self._parsing:
            inspection = inspect_pack(pack)
            found = check_pack(pack, host_ranges=self._host_ranges or None, inspection=inspection)
        return Examined(
            manifest=manifest,
            sha256=facts.sha256,
            size=facts.size,
            licence=declared_licence(pack, manifest.license),
            dependencies=_dependencies(manifest, pack),
            nodes=inspection.nodes,
            signatures={node.code: node.signature for node in inspection.nodes},
            unread=inspection.unread,
            findings=tuple(map(_finding, found)),
            readme=_readme(pack),
            install_script=(pack / "install.py").is_file(),
        )


def _finding(finding: Finding) -> ScanFinding:
    return ScanFinding(
        id=finding.id,
        severity=finding.severity,
        message=finding.message,
        file=finding.file,
        line=finding.line,
        fix=finding.fix,
        suppressed=finding.suppressed,
        refused=finding.id in REFUSED_RULES and not finding.suppressed,
    )


def _dependencies(manifest: PackManifest, pack: Path) -> tuple[str, ...]:
    listing = pack / "requirements.txt"
    if manifest.dependencies or not listing.is_file():
        return manifest.dependencies
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    texts = (line.split(" #")[0].strip() for line in lines)
    return tuple(text for text in texts if _is_requirement(text))


def _is_requirement(text: str) -> bool:
    try:
        parse_requirement(text)
    except ValueError:
        return False
    return True


def _readme(pack: Path) -> str:
    found = sorted((READMES.index(path.name.lower()), path) for path in pack.iterdir() if path.name.lower() in READMES)
    for _, path in found:
        if path.is_file():
            return path.read_bytes()[:LONGEST_README].decode("utf-8", "replace").replace("\0", "")
    return ""
