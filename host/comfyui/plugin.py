"""The plugin: offers to load folders that are ComfyUI packs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from host.comfyui.inspection import is_comfyui_pack
from sdk.hooks import hookimpl
from sdk.web import WebServer

if TYPE_CHECKING:
    from host.engine.catalogue import Catalogue
    from host.folders import LocalFolders
    from host.models.library import Library
    from host.services import HostServices


@hookimpl
def choose_pack_loader(folder: Path) -> Callable[[Path], object] | None:
    """A loader if the folder's source says it is a ComfyUI pack; nothing of it is imported to find out."""
    if not is_comfyui_pack(folder):
        return None
    from host.comfyui.loading import load_pack

    return load_pack


def attach(
    folders: LocalFolders,
    library: Library,
    catalogue: Catalogue,
    services: Callable[[], HostServices | None],
    *,
    base: Path,
    models: Path,
) -> None:
    """Have packs ask this host for its folders, nodes and models; called before packs are loaded.

    Args:
        services: gives them once the host is put together, and None before that.
        base: the folder that holds everything that was not set to lie elsewhere.
        models: the folder below which those of each kind of model lie.
    """
    from host.comfyui.home import Home, attach

    attach(Home(folders, library, lambda: catalogue, services, base, models))


@hookimpl
def before_serving(server: WebServer) -> None:
    """Give the packs' ``PromptServer.instance`` its server."""
    from host.comfyui.surface.prompt_server import PromptServer

    PromptServer.instance.attach(server)
