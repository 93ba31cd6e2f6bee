"""Loads the packs of a generation that need not be in use, and writes down how it went.

Installers run this as a program before they switch to what they built: ``python -m host.generation_check GENERATION
ANSWER``. The answer is JSON: ``{"nodes": {pack: [name, …]}, "failures": {pack: sentence}, "notes": [sentence, …]}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from host.comfyui import plugin as comfyui_loader
from host.engine.catalogue import Catalogue
from host.isolation.proxies import IsolatedPlugin, not_told
from host.packs import generation_packs
from host.plugins import PackRegistry, create_plugin_manager
from sdk.workspace import Generation, read_generation_folder


def check(generation: Generation) -> dict[str, Any]:
    """The names that each pack's nodes answer to, what the import of each other pack said, and what else to know."""
    manager = create_plugin_manager()
    manager.register(comfyui_loader)
    registry = PackRegistry(manager, Catalogue(owners=generation.owners))
    registry.load(generation_packs(generation, lambda folder: manager.hook.choose_pack_loader(folder=folder)))
    return {
        "nodes": {
            name: sorted({each for node in pack.nodes for each in (node.id, *node.aliases)})
            for name, pack in registry.packs.items()
        },
        "failures": {failure.pack: f"{failure.error} {failure.hint}" for failure in registry.failures},
        "notes": [
            not_told(name, plugin.unheard)
            for name, pack in registry.packs.items()
            for plugin in map(manager.get_plugin, pack.plugins)
            if isinstance(plugin, IsolatedPlugin) and plugin.unheard
        ],
    }


def main(arguments: list[str]) -> None:
    """Check the generation in the first folder; write the answer to the second path."""
    folder, answer = map(Path, arguments)
    found = check(read_generation_folder(folder))
    answer.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
