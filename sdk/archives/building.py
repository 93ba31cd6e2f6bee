"""Builds a pack's archive: the same files give the same bytes, whoever builds it and when."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from sdk.archives.errors import CannotBuild
from sdk.archives.reading import ArchiveFacts, read_archive
from sdk.archives.selection import select_files
from sdk.manifest import read_manifest
from sdk.part_files import remove_stale_parts
from sdk.whole_files import whole_file

NODES_FILE = "nodes.json"
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say
_MODE = 0o100644 << 16
_LEVEL = 9


def build_archive(folder: Path, target: Path, *, extra: Mapping[str, bytes] | None = None) -> ArchiveFacts:
    """Pack the folder into the zip ``target``, which appears when it is complete.

    Args:
        folder: with the pack's ``pyproject.toml``.
        extra: more files by name, instead of the folder's; by default ``nodes.json``, read from the code.

    Returns:
        The facts of the archive, read back from it.

    Raises:
        ManifestError: the manifest is missing or faulty.
        CannotBuild: a file can't be packed, or the archive can't be written.
    """
    manifest = read_manifest(folder)
    remove_stale_parts(target.parent)
    files = select_files(folder, manifest, without=[target])
    made = _nodes_file(folder, files) if extra is None else extra
    if not (files.keys() - made.keys()):
        raise CannotBuild(folder, ["it holds no files"])
    try:
        with whole_file(target) as part:
            with zipfile.ZipFile(part, "x") as archive:
                for entry in sorted({*files, *made}, key=str.encode):
                    archive.writestr(_info(entry), made[entry] if entry in made else files[entry].read_bytes())
            facts = read_archive(part)
    except OSError as error:
        raise CannotBuild(folder, [f"{error.filename or target}: {error.strerror or error}"]) from error
    return ArchiveFacts(
        path=target,
        sha256=facts.sha256,
        size=facts.size,
        unpacked_size=facts.unpacked_size,
        entries=facts.entries,
    )


def _nodes_file(folder: Path, files: Mapping[str, Path]) -> Mapping[str, bytes]:
    from sdk.inspection.nodes_file import render  # here, so that building with given files does not read any code

    return {NODES_FILE: render(folder, files)}


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system = 3  # Unix, wherever it is built
    info.external_attr = _MODE
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = _LEVEL  # type: ignore[attr-defined]
    return info
