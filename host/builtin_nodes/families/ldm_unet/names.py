"""Names of a UNet's tensors: the original layout, and diffusers', whose modules we use.

Original layout: ``input_blocks``, ``middle_block`` and ``output_blocks`` are numbered through all resolutions; where
a resolution ends can be seen from the resampling layers. diffusers numbers resolutions and the blocks in each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from host.builtin_nodes.families.refusals import LayoutError

ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "class_embedding.linear_1",
    "label_emb.0.2": "class_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
"""Layers at either end: the original name and the module's."""

CELLS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
"""Layers of residual blocks: the original name and the module's."""

_MIDDLE = {0: "mid_block.resnets.0", 1: "mid_block.attentions.0", 2: "mid_block.resnets.1"}
# As the original writes them, so that a name made from the numbers again is the file's key.
_NUMBER = r"(0|[1-9][0-9]{0,3})"
_NUMBERED = re.compile(rf"(input_blocks|middle_block|output_blocks)\.{_NUMBER}\.(?:{_NUMBER}\.)?(.+)")

_Cells = Mapping[int, Mapping[int, list[str]]]


def original_names(keys: Iterable[str]) -> dict[str, str]:
    """The file's key for each of the module's weights, for keys in the original layout without their prefix.

    Raises:
        LayoutError: a tensor has no place in such a UNet.
    """
    names: dict[str, str] = {}
    blocks: dict[str, dict[int, dict[int, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for key in keys:
        stem, _, kind = key.rpartition(".")
        if stem in ENDS:
            names[f"{ENDS[stem]}.{kind}"] = key
        elif match := _NUMBERED.fullmatch(key):
            side, block, cell, rest = match.groups()
            blocks[side][int(block)][int(cell or 0)].append(rest)
        else:
            raise LayoutError(f"tensor {key!r} belongs to no UNet of latent diffusion")
    names |= _down_names(blocks["input_blocks"])
    names |= _middle_names(blocks["middle_block"])
    names |= _up_names(blocks["output_blocks"])
    return names


def _down_names(blocks: _Cells) -> dict[str, str]:
    names: dict[str, str] = {}
    level = layer = 0
    for number in sorted(set(blocks) - {0}):
        place = f"down_blocks.{level}"
        if any(rest.startswith("op.") for rest in blocks[number][0]):
            for rest in blocks[number][0]:
                names[f"{place}.downsamplers.0.conv.{rest.removeprefix('op.')}"] = f"input_blocks.{number}.0.{rest}"
            level, layer = level + 1, 0
            continue
        for cell, rests in blocks[number].items():
            original = f"input_blocks.{number}.{cell}"
            names |= _cell_names(rests, original, f"{place}.resnets.{layer}", f"{place}.attentions.{layer}")
        layer += 1
    return names


def _middle_names(blocks: _Cells) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, cells in blocks.items():
        if number not in _MIDDLE:
            raise LayoutError(f"it has a middle_block.{number}")
        for rest in cells[0]:
            target = _MIDDLE[number]
            names |= _cell_names([rest], f"middle_block.{number}", target, target)
    return names


def _up_names(blocks: _Cells) -> dict[str, str]:
    names: dict[str, str] = {}
    level = layer = 0
    for number in sorted(blocks):
        place, upsampled = f"up_blocks.{level}", False
        for cell, rests in blocks[number].items():
            original = f"output_blocks.{number}.{cell}"
            if cell and any(rest.startswith("conv.") for rest in rests):
                names |= {f"{place}.upsamplers.0.{rest}": f"{original}.{rest}" for rest in rests}
                upsampled = True
            else:
                names |= _cell_names(rests, original, f"{place}.resnets.{layer}", f"{place}.attentions.{layer}")
        level, layer = (level + 1, 0) if upsampled else (level, layer + 1)
    return names


def _cell_names(rests: Iterable[str], original: str, residual: str, attention: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for rest in rests:
        stem, _, kind = rest.rpartition(".")
        if stem in CELLS:
            names[f"{residual}.{CELLS[stem]}.{kind}"] = f"{original}.{rest}"
        elif stem.startswith(("norm", "proj_in", "proj_out", "transformer_blocks.")):
            names[f"{attention}.{rest}"] = f"{original}.{rest}"
        else:
            raise LayoutError(f"tensor '{original}.{rest}' belongs to no UNet of latent diffusion")
    return names
