"""``comfy_api.latest``: the schema vocabulary and the extension class."""

from __future__ import annotations

from host.comfyui.surface import v3_io as io
from host.comfyui.surface.v3_schema import ComfyExtension

__all__ = ["ComfyExtension", "io"]
