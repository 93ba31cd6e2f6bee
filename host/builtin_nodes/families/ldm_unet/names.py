"""Names of a UNet's tensors: the original layout, and diffusers', whose modules we use.

Original layout: ``input_blocks``, ``middle_block`` and ``output_blocks`` are numbered through all resolutions; where
a resolution ends can be seen from the resampling layers. diffusers numbers resolutions and the blocks in each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product

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

_TRANSFORMER = (
    *("norm", "proj_in", "proj_out"),
    *(f"transformer_blocks..{layer}" for layer in ("norm", "ff.net..proj", "ff.net.")),
    *(f"transformer_blocks..attn.to_{layer}" for layer in ("q", "k", "v", "out.")),
)
_LAYERS = (
    *(f"resnets..{layer}" for layer in ("norm", "conv", "time_emb_proj", "conv_shortcut")),
    *(f"attentions..{layer}" for layer in _TRANSFORMER),
    *("downsamplers..conv", "upsamplers..conv"),
)
_ORIGINAL_LAYERS = (*("in_layers.", "emb_layers.", "out_layers.", "skip_connection"), *_TRANSFORMER, "op", "conv")
_WITHOUT_NUMBERS = frozenset(
    f"{layer}.{kind}"
    for layer in (
        *(place + layer for place, layer in product(("down_blocks..", "up_blocks..", "mid_block."), _LAYERS)),
        *("time_embedding.linear_", "class_embedding.linear_", "conv_in", "conv_norm_out", "conv_out"),
        *(place + layer for place, layer in product(("input_blocks...", "output_blocks..."), _ORIGINAL_LAYERS)),
        *(f"middle_block..{layer}" for layer in _ORIGINAL_LAYERS),
        *("time_embed.", "label_emb..", "input_blocks..", "out."),
    )
    for kind in ("weight", "bias")
)
"""The names of all weights that a UNet can have, in either layout, with their numbers left out."""

_NAMES_REMEMBERED = 4096
_DIGITS = b"0123456789"
_ONES = bytes.maketrans(b"23456789", b"11111111")

_TELLING_ENDS = (
    ".in_layers..weight",
    ".op.weight",
    ".conv.weight",
    ".attn.to_q.weight",
    ".attn.to_k.weight",
    ".proj_in.weight",
)
TELLING = frozenset(
    {"time_embed..weight", "label_emb...weight", "input_blocks...weight", "out..weight"}
    | {name for name in _WITHOUT_NUMBERS if name.startswith("middle_block.") or name.endswith(_TELLING_ENDS)}
)
"""Of these, in the original layout, those of the weights whose shapes tell a UNet's dimensions."""

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
        else:
            side, block, cell, rest = _place(key)
            blocks[side][block][cell].append(rest)
    names |= _down_names(blocks["input_blocks"])
    names |= _middle_names(blocks["middle_block"])
    names |= _up_names(blocks["output_blocks"])
    return names


@lru_cache(_NAMES_REMEMBERED)
def _place(key: str) -> tuple[str, int, int, str]:
    """The side of the UNet, the number of the block, that of the cell in it, and the rest of a name."""
    match = _NUMBERED.fullmatch(key)
    if match is None:
        raise LayoutError(f"tensor {key!r} belongs to no UNet of latent diffusion")
    return match[1], int(match[2]), int(match[3] or 0), match[4]


def without_numbers(names: Sequence[str]) -> list[str]:
    """The names with their numbers left out; one that a UNet can't have is refused.

    Such are video layers, a strength of guidance, adapters …

    Raises:
        LayoutError: a name is none that a UNet's weight has in either layout.
    """
    # As one text, since this is done for all tensors of all files.
    text = "\n".join(names).encode(errors="surrogatepass")
    without = text.translate(None, _DIGITS).decode(errors="surrogatepass").split("\n")
    if len(without) > len(names):
        raise LayoutError("one of its tensors has a name of several lines")
    if strange := set(without) - _WITHOUT_NUMBERS - {""}:
        name = names[next(place for place, plain in enumerate(without) if plain in strange)]
        raise LayoutError(f"tensor {name!r} belongs to no UNet of latent diffusion")
    ones = text.translate(_ONES)
    place = max(ones.find(b".00"), ones.find(b".01"))
    if place >= 0:
        name = names[text.count(b"\n", 0, place)]
        raise LayoutError(f"tensor {name!r} is not numbered as those of a UNet of latent diffusion")
    return without


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
