"""The host's own node ids, which no pack may provide."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

CORE = "core"
"""Owner of the host's own nodes, as it is named to users."""


@cache
def core_nodes() -> frozenset[str]:
    """Ids of ComfyUI's and the host's built-in nodes."""
    text = files("registry_server.nodes").joinpath("core_nodes.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())
