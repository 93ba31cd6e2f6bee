"""The marker for a pack's hook implementations.

    from sdk import hookimpl

    @hookimpl
    def register_nodes():
        return [tint]

The specifications live in the host; ``docs/hooks.md`` lists them all.
"""

from __future__ import annotations

import pluggy

NODE_API = "1.0"
"""Version of what ``sdk`` offers packs. A pack names the versions it works with in ``[tool.comfy-nodes] host-api``."""

PROJECT = "comfy-nodes"
ENTRY_POINT_GROUP = "comfy_nodes.packs"

PACK_LOADERS_GROUP = "comfy_nodes.pack_loaders"
"""Entry points that load packs without entry points of their own: a function of a folder that gives a function of the
same folder, or None where it is not such a pack; that one gives a plugin with ``unload``."""

hookimpl = pluggy.HookimplMarker(PROJECT)
