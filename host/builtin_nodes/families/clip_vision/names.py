"""Names of an image encoder's tensors: transformers', whose modules we use, and those of OpenAI and OpenCLIP."""

from __future__ import annotations

from dataclasses import replace

from host.builtin_nodes.families.clip_text.names import Shapes, original_sources
from sdk.models import TensorSource

VISION_MODEL, VISUAL = "vision_model.", "visual."
"""What precedes an encoder's own names: in transformers' layout, in the original one."""

PATCHES = "embeddings.patch_embedding.weight"
POSITIONS = "embeddings.position_embedding.weight"
PROJECTION = "visual_projection.weight"
ORIGINAL_PATCHES = "conv1.weight"
_ORIGINAL_PROJECTION = "proj"
_COMPUTED = "embeddings.position_ids"
_MODULES = ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.")
_ORIGINAL = {
    "class_embedding": "embeddings.class_embedding",
    ORIGINAL_PATCHES: PATCHES,
    **{f"ln_pre.{kind}": f"pre_layrnorm.{kind}" for kind in ("weight", "bias")},
    **{f"ln_post.{kind}": f"post_layernorm.{kind}" for kind in ("weight", "bias")},
}


def vision_sources(shapes: Shapes, *, original: bool) -> dict[str, TensorSource]:
    """The source of each weight by its name in transformers' ``vision_model``; ``shapes`` are by the names below it."""
    if original:
        own = {name: TensorSource(key) for key, name in _ORIGINAL.items() if key in shapes}
        return {**original_sources(shapes), **own}
    return {name: TensorSource(name) for name in shapes if name.startswith(_MODULES) and name != _COMPUTED}


def vision_projection(shapes: Shapes, prefix: str, *, original: bool) -> TensorSource | None:
    """Where the projection is, for an encoder whose names begin at ``prefix``; None without one."""
    key = prefix + _ORIGINAL_PROJECTION if original else prefix.removesuffix(VISION_MODEL) + PROJECTION
    return TensorSource(key, transpose=original) if len(shapes.get(key, ())) == 2 else None


def below(prefix: str, source: TensorSource) -> TensorSource:
    """The source of a tensor whose name follows a prefix."""
    return replace(source, key=prefix + source.key)
