"""``comfyui_version``: the version of the reference host whose interface this is."""

from __future__ import annotations

from host.api.machine import COMFYUI_VERSION

__all__ = ["__version__"]

__version__ = COMFYUI_VERSION
