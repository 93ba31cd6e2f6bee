"""The folders of a ComfyUI pack that the graph editor uses, by the names they have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from sdk.errors import ManifestError
from sdk.manifest import read_manifest
from sdk.web import BadExtension, WebContent, WebDirectory

logger = logging.getLogger(__name__)

WORKFLOWS = ("example_workflows", "example", "examples", "workflow", "workflows")


def web_directories(folder: Path, scripts: Path | None) -> list[WebDirectory]:
    """Scripts, translations, example workflows and subgraphs of the pack in ``folder``.

    Args:
        scripts: the folder that the pack's module names in WEB_DIRECTORY; its address has the pack folder's name. One
            named in ``pyproject.toml`` (``[tool.comfy] web``) is served under the project's name.
    """
    found = [] if scripts is None else [WebDirectory(folder=scripts, name=folder.name)]
    found += _named_in_manifest(folder)
    kinds = [("locales", WebContent.LOCALES), ("subgraphs", WebContent.SUBGRAPHS)]
    kinds += [(name, WebContent.WORKFLOWS) for name in WORKFLOWS]
    found += [
        WebDirectory(folder=folder / name, content=content, name=folder.name)
        for name, content in kinds
        if (folder / name).is_dir()
    ]
    return found


def _named_in_manifest(folder: Path) -> list[WebDirectory]:
    if not (folder / "pyproject.toml").is_file():
        return []
    try:
        manifest = read_manifest(folder)
    except ManifestError:  # it is said where the pack's name and version are read
        return []
    if not manifest.web:
        return []
    web = (folder / manifest.web).resolve()
    if web.is_dir() and web.is_relative_to(folder):
        return [WebDirectory(folder=web, name=manifest.name)]
    logger.warning("pack %r: its web folder %r is none inside the pack", folder.name, manifest.web)
    return []


def named_by_hand(pack: str, folders: Mapping[str, str]) -> list[WebDirectory]:
    """Folders of scripts that a pack named itself, by their names in addresses; those that are none are left out."""
    found = []
    for name, place in folders.items():
        try:
            if not Path(place).is_dir():
                raise BadExtension(f"the web directory {place}", "it is no folder")
            found.append(WebDirectory(folder=Path(place).resolve(), name=name))
        except BadExtension as error:
            logger.warning("pack %r: %s Its scripts are not served", pack, error)
    return found
