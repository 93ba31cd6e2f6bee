"""What packs give the graph editor: scripts, translations, example workflows, subgraphs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.api.static_files import WebFiles
from sdk.web import WebContent, WebDirectory

if TYPE_CHECKING:
    from host.plugins import Pack

logger = logging.getLogger(__name__)

SECTIONS = ("nodeDefs", "commands", "settings")
"""Files of a language whose content goes under their own name; that of ``main.json`` goes beside them."""


@dataclass(frozen=True)
class Subgraph:
    """A subgraph that a pack offers for every workflow."""

    id: str
    pack: str
    path: Path

    def as_json(self) -> dict[str, Any]:
        return {"name": self.path.stem, "source": "custom_node", "info": {"node_pack": self.pack}}


class PackContent:
    """The packs' folders for the editor. Files are looked up anew each time; a broken one is named in the log."""

    def __init__(self, contributions: Iterable[tuple[Pack, WebDirectory]]) -> None:
        self._folders: dict[WebContent, list[tuple[str, Path]]] = {content: [] for content in WebContent}
        for pack, directory in contributions:
            if directory.folder.is_dir():
                self._folders[directory.content].append((directory.name or pack.name, directory.folder.resolve()))
            else:
                logger.warning("pack %s: there is no folder %s", pack.name, directory.folder)

    def mounts(self) -> dict[str, WebFiles]:
        """Static files by the path they are served under; folders of one name are searched in order."""
        found: dict[str, WebFiles] = {}
        places = (
            (WebContent.SCRIPTS, "/extensions/{}"),
            (WebContent.WORKFLOWS, "/api/workflow_templates/{}"),
        )
        for content, path in places:
            for name, folder in self._folders[content]:
                files = found.setdefault(path.format(name), WebFiles(directory=folder))
                if folder not in files.all_directories:
                    files.all_directories.append(folder)
        return found

    def scripts(self) -> list[str]:
        """Paths of the scripts that the editor loads."""
        return list(
            dict.fromkeys(
                f"/extensions/{name}/{path.relative_to(folder).as_posix()}"
                for name, folder in self._folders[WebContent.SCRIPTS]
                for path in _files(folder, "**/*.js")
            )
        )

    def translations(self) -> dict[str, Any]:
        """Translated names by language; of two packs that translate one name, the later one wins."""
        merged: dict[str, Any] = {}
        for _, folder in self._folders[WebContent.LOCALES]:
            for path in _files(folder, "*/*.json"):
                said = _read(path)
                if path.stem in SECTIONS:
                    _merge(merged, {path.parent.name: {path.stem: said}})
                elif path.stem == "main":
                    _merge(merged, {path.parent.name: said})
        return merged

    def templates(self) -> dict[str, list[str]]:
        """Names of example workflows by pack."""
        found: dict[str, list[str]] = {}
        for name, folder in self._folders[WebContent.WORKFLOWS]:
            found.setdefault(name, []).extend(path.stem for path in _files(folder, "*.json"))
        return {name: sorted(set(stems)) for name, stems in found.items() if stems}

    def subgraphs(self) -> dict[str, Subgraph]:
        """Subgraphs by their id, which stays the same as long as pack and file name do."""
        found = (
            Subgraph(hashlib.sha256(f"{name}\0{path.name}".encode()).hexdigest(), name, path)
            for name, folder in self._folders[WebContent.SUBGRAPHS]
            for path in _files(folder, "*.json")
        )
        return {subgraph.id: subgraph for subgraph in found}


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Files that lie in the folder, also once links are followed."""
    return (path for path in sorted(folder.glob(pattern)) if path.is_file() and path.resolve().is_relative_to(folder))


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("the translations in %s can't be read: %s", path, error)
        return {}
    if isinstance(said, dict):
        return said
    logger.warning("the translations in %s are no JSON object", path)
    return {}


def _merge(target: dict[str, Any], added: Mapping[str, Any]) -> None:
    """Put the values into the target, objects into objects of the same name. Not deeper than the files are."""
    waiting = [(target, added)]
    while waiting:
        into, values = waiting.pop()
        for key, value in values.items():
            if isinstance(value, Mapping):
                known = into.get(key)
                inner = dict(known) if isinstance(known, Mapping) else {}
                into[key] = inner
                waiting.append((inner, value))
            else:
                into[key] = value
