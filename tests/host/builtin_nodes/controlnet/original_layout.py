"""Names that control networks' weights have in files in the original layout."""

from __future__ import annotations

from collections.abc import Mapping

_OWN = {"controlnet_down_blocks.": "zero_convs.", "controlnet_mid_block.": "middle_block_out.0."}


def original_key(name: str, paths: Mapping[str, str]) -> str:
    """The original's name for a weight of diffusers' control network; ``paths`` has those of the UNet in it."""
    for ours, theirs in _OWN.items():
        if name.startswith(ours):
            rest = name.removeprefix(ours)
            number, _, kind = rest.rpartition(".")
            return f"{theirs}{number}.0.{kind}" if number else theirs + rest
    hint = name.removeprefix("controlnet_cond_embedding.")
    if hint != name:
        layer, _, kind = hint.rpartition(".")
        numbers = {"conv_in": 0, "conv_out": 14, **{f"blocks.{index}": 2 * index + 2 for index in range(6)}}
        return f"input_hint_block.{numbers[layer]}.{kind}"
    return paths[name]
