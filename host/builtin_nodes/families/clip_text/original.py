"""Names of a CLIP text encoder's weights in OpenCLIP's code, for those of transformers: the reverse of ``names``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from host.builtin_nodes.families.clip_text.names import LAYERS, ORIGINAL_TABLES, QUERY_KEY_VALUE

_ORIGINAL_LAYERS = {name: original for original, name in LAYERS.items()}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_FIRST = f"self_attn.{QUERY_KEY_VALUE[0]}"


def original_parts(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each of the original's names those of the module that make it up, one below another.

    Args:
        names: of the module's weights, without ``text_model``; names that are no text encoder's are left out.
    """
    found = {name: _original(name) for name in names}
    return {original: _together(name) for name, original in found.items() if original is not None}


def _original(name: str) -> str | None:
    if name in ORIGINAL_TABLES:
        return ORIGINAL_TABLES[name]
    if name.startswith("final_layer_norm."):
        return name.replace("final_layer_norm", "ln_final", 1)
    match = _LAYER.fullmatch(name)
    if match is None:
        return None
    number, layer, kind = match.groups()
    if layer == _FIRST:
        return f"transformer.resblocks.{number}.attn.in_proj_{kind}"
    original = _ORIGINAL_LAYERS.get(layer)
    return None if original is None else f"transformer.resblocks.{number}.{original}.{kind}"


def _together(name: str) -> tuple[str, ...]:
    """Queries, keys and values have one weight."""
    if _FIRST not in name:
        return (name,)
    return tuple(name.replace(QUERY_KEY_VALUE[0], part) for part in QUERY_KEY_VALUE)
