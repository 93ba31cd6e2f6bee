"""``node_helpers``: values of conditioning, pictures that lack their end, names of dtypes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["conditioning_set_values", "hasher", "image_alpha_fix", "pillow", "string_to_torch_dtype"]

Made = TypeVar("Made")


def conditioning_set_values(
    conditioning: list[list[Any]], values: Mapping[str, Any] | None = None, append: bool = False
) -> list[list[Any]]:
    """Conditioning with these values among each entry's options; ``append`` puts lists behind those already there."""
    changed = []
    for tensor, options in conditioning:
        told = {
            name: options[name] + value if append and options.get(name) is not None else value
            for name, value in (values or {}).items()
        }
        changed.append([tensor, {**options, **told}])
    return changed


def pillow(fn: Callable[[Any], Made], arg: Any) -> Made:
    """What a function of Pillow makes of a file, also of one that lacks its end."""
    from PIL import UnidentifiedImageError

    from host.builtin_nodes.images.pixels import tolerating_cut_off_files

    try:
        return fn(arg)
    except (OSError, UnidentifiedImageError, ValueError):
        with tolerating_cut_off_files():
            return fn(arg)


def hasher() -> Callable[..., Any]:
    """What names of uploaded files are compared by: SHA-256."""
    return hashlib.sha256


def image_alpha_fix(destination: Any, source: Any) -> tuple[Any, Any]:
    """Both pictures [batch, height, width, channel], with alpha where only one has it: opaque, or left out."""
    import torch

    if destination.shape[-1] < source.shape[-1]:
        return destination, source[..., : destination.shape[-1]]
    if destination.shape[-1] > source.shape[-1]:
        return destination, torch.nn.functional.pad(source, (0, 1), value=1.0)
    return destination, source


def string_to_torch_dtype(string: str) -> Any:
    """The dtype called ``fp32``, ``fp16`` or ``bf16``; None for another name."""
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)
