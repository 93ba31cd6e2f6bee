"""An image encoder inside a file, as a part that the model manager can load."""

from __future__ import annotations

from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout, clip_vision_sources
from sdk.models import Header, Part

CLIP_VISION = "clip_vision"
"""Name of the part."""


def clip_vision_part(header: Header, layout: ClipVisionLayout) -> Part:
    """The part ``clip_vision``; its module is transformers' own."""
    from host.builtin_nodes.families.clip_vision.adapter import ClipVisionAdapter

    def build() -> object:
        from host.builtin_nodes.families.clip_vision.module import build_clip_vision

        return build_clip_vision(layout)

    return Part(
        name=CLIP_VISION,
        build=build,
        weights=clip_vision_sources(header, layout),
        adapter=ClipVisionAdapter(layout.kind, layout.image_size),
    )
