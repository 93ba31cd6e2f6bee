"""Finds an image encoder in a file and reads its dimensions off the shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.clip_text.names import Shapes
from host.builtin_nodes.families.clip_vision.names import (
    ORIGINAL_PATCHES,
    PATCHES,
    POSITIONS,
    PROJECTION,
    VISION_MODEL,
    VISUAL,
    below,
    vision_projection,
    vision_sources,
)
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import whole_number
from sdk.models import Header, TensorSource

CLIP, SIGLIP = "clip", "siglip"
HEADS_FACT = "clip_vision.heads"

_FIRST_MLP = "encoder.layers.0.mlp.fc1.weight"
_LAYER = "encoder.layers.{}.layer_norm1.weight"
_CLASS = "embeddings.class_embedding"
_HEADS, _HEADS_BY_WIDTH = 16, {768: 12}
_QUICK_GELU_UP_TO = 1024
# Its images have a border that no patch covers.
_SIGLIP_SIZES = {(14, 27): 384}


@dataclass(frozen=True, kw_only=True)
class ClipVisionLayout:
    """An image encoder inside a file.

    Attributes:
        kind: ``clip``, which sums an image up in a token of its own, or ``siglip``, which has none.
        prefix: what precedes its own names.
        original: it has the names of OpenAI's code and OpenCLIP instead of transformers'.
        width, mlp: channels of the tokens' states, and between the two linear layers of a block.
        patch: side of the square that becomes a token, in pixels.
        image_size: side of the images it takes, in pixels.
        projection: width of the projected summary; None for ``siglip``.
    """

    kind: str
    prefix: str
    original: bool
    width: int
    layers: int
    mlp: int
    heads: int
    patch: int
    image_size: int
    projection: int | None

    @property
    def activation(self) -> str:
        """OpenAI's encoders up to ViT-L have another one than OpenCLIP's H and bigG."""
        if self.kind == SIGLIP:
            return "gelu_pytorch_tanh"
        return "quick_gelu" if self.width <= _QUICK_GELU_UP_TO else "gelu"

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``ClipVisionLayout(**fields)`` takes them."""
        return asdict(self)


def find_clip_vision(header: Header, place: str, facts: Mapping[str, Any]) -> ClipVisionLayout | None:
    """The encoder whose names begin with ``vision_model`` or ``visual`` after ``place``; None where there is none.

    Args:
        facts: ``clip_vision.heads`` where there are others than 16 (12 for 768 channels).

    Raises:
        LayoutError: there is one, but of impossible dimensions.
    """
    original = place + VISUAL + ORIGINAL_PATCHES in header.tensors
    prefix = place + (VISUAL if original else VISION_MODEL)
    if not original and prefix + PATCHES not in header.tensors:
        return None
    shapes = _below(header, prefix)
    sources = vision_sources(shapes, original=original)
    found = {name: shapes[source.key] for name, source in sources.items()}
    dimensions = _dimensions(found, whole_number(facts, HEADS_FACT))
    projection = None if dimensions["kind"] == SIGLIP else _projected(header, prefix, original=original)
    return ClipVisionLayout(prefix=prefix, original=original, projection=projection, **dimensions)


def clip_vision_sources(header: Header, layout: ClipVisionLayout) -> dict[str, TensorSource]:
    """Where the encoder's module finds its weights, by the names of ``module.build_clip_vision``."""
    own = vision_sources(_below(header, layout.prefix), original=layout.original)
    sources = {VISION_MODEL + name: below(layout.prefix, source) for name, source in own.items()}
    if layout.projection is None:
        return sources
    projection = _projection(header, layout.prefix, original=layout.original)
    return sources if projection is None else {**sources, PROJECTION: projection}


def _below(header: Header, prefix: str) -> Shapes:
    return {key.removeprefix(prefix): info.shape for key, info in header.tensors.items() if key.startswith(prefix)}


def _projection(header: Header, prefix: str, *, original: bool) -> TensorSource | None:
    shapes = {key: info.shape for key, info in header.tensors.items()}
    return vision_projection(shapes, prefix, original=original)


def _projected(header: Header, prefix: str, *, original: bool) -> int:
    projection = _projection(header, prefix, original=original)
    if projection is None:
        raise LayoutError("its image encoder has no projection")
    return header.tensors[projection.key].shape[-1 if original else 0]


def _dimensions(shapes: Shapes, stated_heads: int | None) -> dict[str, Any]:
    patches, positions, mlp = (shapes.get(name, ()) for name in (PATCHES, POSITIONS, _FIRST_MLP))
    layers = next(number for number in count() if _LAYER.format(number) not in shapes)
    if len(patches) != 4 or len(positions) != 2 or len(mlp) != 2 or layers == 0 or positions[1] != patches[0]:
        raise LayoutError("its image encoder lacks patches, positions or layers that fit together")
    width, _, patch, _ = patches
    kind = CLIP if _CLASS in shapes else SIGLIP
    side = math.isqrt(positions[0] - (kind == CLIP))
    if side < 1 or side * side + (kind == CLIP) != positions[0]:
        raise LayoutError(f"its image encoder has {positions[0]} positions, which make no square")
    heads = stated_heads or _HEADS_BY_WIDTH.get(width, _HEADS)
    if width % heads:
        raise LayoutError(f"its image encoder's {width} channels can't be split into {heads} heads")
    image_size = _SIGLIP_SIZES.get((patch, side), side * patch) if kind == SIGLIP else side * patch
    sizes = {"width": width, "layers": layers, "mlp": mlp[0], "heads": heads, "patch": patch}
    return {"kind": kind, "image_size": image_size, **sizes}
