"""Names of an autoencoder's tensors: the original layout, and diffusers', before and after attention was renamed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from host.builtin_nodes.families.refusals import LayoutError

LAYERS = {
    **{name: name for name in ("norm1", "conv1", "norm2", "conv2")},
    "nin_shortcut": "conv_shortcut",
    "downsample": "downsamplers.0",
    "upsample": "upsamplers.0",
}
ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.(\d{1,3})\.(?:block\.(\d{1,3})\.)?(\w+)\.(.+)")
_MIDDLE = re.compile(r"(encoder|decoder)\.mid\.(block|attn)_([12])\.(\w+)\.(\w+)")
_OLD = re.compile(r"((?:encoder|decoder)\.mid_block\.attentions\.0)\.(\w+)\.(\w+)")
_DIGITS = re.compile(r"[0-9]+")
_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_SAME = re.compile(r"(?:(?:encoder|decoder)\.conv_(?:in|out)|(?:post_)?quant_conv)\.(?:weight|bias)")

_RESIDUAL = ("norm", "conv", "conv_shortcut")
_INSIDE = (
    *(f"resnets..{layer}" for layer in _RESIDUAL),
    *(f"attentions..{layer}" for layer in ("group_norm", "to_q", "to_k", "to_v", "to_out.")),
    *("downsamplers..conv", "upsamplers..conv"),
)
_ENDS = ("conv_in", "conv_norm_out", "conv_out")
_WITHOUT_NUMBERS = frozenset(
    f"{layer}.{kind}"
    for layer in (
        *(f"{half}.{end}" for half in ("encoder", "decoder") for end in _ENDS),
        *(f"encoder.{place}.{inside}" for place in ("down_blocks.", "mid_block") for inside in _INSIDE),
        *(f"decoder.{place}.{inside}" for place in ("up_blocks.", "mid_block") for inside in _INSIDE),
        *("quant_conv", "post_quant_conv"),
    )
    for kind in ("weight", "bias")
)
"""The names of all weights that the module can have, with their numbers left out."""

_NAMES_REMEMBERED = 4096

MARKER = "decoder.mid.attn_1.q.weight"
"""A tensor that every autoencoder in the original layout has."""

DIFFUSERS_MARKER = "decoder.mid_block.resnets.0.conv1.weight"
"""A tensor that every autoencoder in diffusers' layout has."""


def module_names(keys: Iterable[str]) -> dict[str, str]:
    """The file's key for each of the module's weights, for keys in either layout without their prefix.

    What training left beside the autoencoder itself (discriminator, moving averages) is passed over.

    Raises:
        LayoutError: a tensor has no place in such an autoencoder.
    """
    keys = [key for key in keys if key.startswith(_PARTS)]
    if DIFFUSERS_MARKER in keys:
        return {_checked(_from_diffusers(key)): key for key in keys}
    levels = 1 + max(map(_level, keys), default=0)
    return {_from_original(key, levels): key for key in keys}


def _from_diffusers(key: str) -> str:
    if match := _OLD.fullmatch(key):
        attention, layer, kind = match.groups()
        return f"{attention}.{_OLD_ATTENTION.get(layer, layer)}.{kind}"
    return key


def _checked(name: str) -> str:
    if _DIGITS.sub("", name) not in _WITHOUT_NUMBERS:
        raise LayoutError(f"tensor {name!r} belongs to no two-dimensional autoencoder")
    return name


@lru_cache(_NAMES_REMEMBERED)
def _level(key: str) -> int:
    match = _LEVEL.fullmatch(key)
    return int(match[2]) if match else 0


@lru_cache(_NAMES_REMEMBERED)
def _from_original(key: str, levels: int) -> str:
    if _SAME.fullmatch(key):
        return key
    if (match := _LEVEL.fullmatch(key)) and match[4] in LAYERS:
        way, level, block, layer, rest = match.groups()
        # The original counts the way up from its end.
        number = int(level) if way == "encoder.down" else levels - 1 - int(level)
        place = f"{way}_blocks.{number}"
        return f"{place}.resnets.{block}.{LAYERS[layer]}.{rest}" if block else f"{place}.{LAYERS[layer]}.{rest}"
    if match := _MIDDLE.fullmatch(key):
        half, kind, ordinal, layer, rest = match.groups()
        place, layers = ("attentions", ATTENTION) if kind == "attn" else ("resnets", LAYERS)
        if layer in layers:
            return f"{half}.mid_block.{place}.{int(ordinal) - 1}.{layers[layer]}.{rest}"
    half, _, rest = key.partition(".norm_out.")
    if half in ("encoder", "decoder") and rest:
        return f"{half}.conv_norm_out.{rest}"
    raise LayoutError(f"tensor {key!r} belongs to no two-dimensional autoencoder")
