"""What the original layout calls an autoencoder's weights, for the names of diffusers' module: reverse of ``names``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from host.builtin_nodes.families.kl_vae.names import ATTENTION, LAYERS

_ORIGINAL_LAYERS = {name: original for original, name in LAYERS.items()}
_ORIGINAL_ATTENTION = {name: original for original, name in ATTENTION.items()}
_LEVEL = re.compile(r"(encoder\.down|decoder\.up)_blocks\.(\d+)\.(?:resnets\.(\d+)\.(\w+)|(\w+samplers\.0))\.(.+)")
_MIDDLE = re.compile(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d+)\.(.+)\.(\w+)")


def original_names(names: Iterable[str]) -> dict[str, str]:
    """The original name for each of the module's."""
    known = list(names)
    levels = 1 + max((int(match[2]) for match in map(_LEVEL.fullmatch, known) if match), default=0)
    return {name: _original(name, levels) for name in known}


def _original(name: str, levels: int) -> str:
    if match := _LEVEL.fullmatch(name):
        way, level, block, layer, sampler, rest = match.groups()
        # The original counts the way up from its end.
        number = int(level) if way == "encoder.down" else levels - 1 - int(level)
        inside = f"block.{block}.{_ORIGINAL_LAYERS[layer]}" if block else _ORIGINAL_LAYERS[sampler]
        return f"{way}.{number}.{inside}.{rest}"
    if match := _MIDDLE.fullmatch(name):
        half, part, number, layer, kind = match.groups()
        place, layers = ("attn", _ORIGINAL_ATTENTION) if part == "attentions" else ("block", _ORIGINAL_LAYERS)
        return f"{half}.mid.{place}_{int(number) + 1}.{layers[layer]}.{kind}"
    return name.replace(".conv_norm_out.", ".norm_out.")
