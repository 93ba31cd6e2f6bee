"""Finds a T2I adapter in a file, in the original layout or diffusers', and reads its dimensions off the shapes.

Mou et al. 2023, "T2I-Adapter: Learning Adapters to Dig out More Controllable Ability".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header

DIFFUSERS_PREFIX = "adapter."
_FIRST, _LIGHT_FIRST = "conv_in.weight", "body.0.in_conv.weight"
_ORIGINAL_LAYER = re.compile(r"body\.(\d+)\.(block[12]|in_conv)\.(\w+)")
_ORIGINAL_LIGHT_LAYER = re.compile(r"body\.(\d+)\.body\.(\d+)\.(\w+\.\w+)")
_LAYERS = 2
_PIXELS = {256: 1, 768: 3}
"""Input channels of adapters for Stable Diffusion XL, of 16 x 16 pixels, with the channels of the picture."""

_FINE, _COARSE = 8, 16


@dataclass(frozen=True, kw_only=True)
class T2iConfig:
    """Everything that decides a T2I adapter's shape.

    Attributes:
        prefix: what precedes its names.
        diffusers: it has diffusers' names.
        light: it has narrow layers between two convolutions, instead of layers as wide as what they give.
        input_channels: of the picture.
        unshuffle: so many pixels a side go into one cell of its first layer.
        channels: of what it gives at each resolution.
        layers: residual blocks at each resolution.
    """

    prefix: str
    diffusers: bool
    light: bool
    input_channels: int
    unshuffle: int
    channels: Sequence[int]
    layers: int

    @property
    def xl(self) -> bool:
        """Whether it is made for Stable Diffusion XL's UNet."""
        return self.unshuffle == _COARSE

    def as_json(self) -> dict[str, Any]:
        """The fields, and the family it steers."""
        return {**asdict(self), "for_family": "sdxl" if self.xl else "sd1"}


def find_t2i_adapter(header: Header) -> T2iConfig:
    """The T2I adapter in a file.

    Raises:
        LayoutError: there is none, or of impossible dimensions.
    """
    marks = (DIFFUSERS_PREFIX + name for name in (_FIRST, _LIGHT_FIRST))
    prefix = DIFFUSERS_PREFIX if any(mark in header.tensors for mark in marks) else ""
    light = prefix + "body.0.out_conv.weight" in header.tensors
    first = header.shape(prefix + (_LIGHT_FIRST if light else _FIRST))
    if first is None or len(first) != 4 or not any(key.startswith(f"{prefix}body.0.") for key in header.tensors):
        raise LayoutError("there is no T2I adapter in it")
    shapes = {key.removeprefix(prefix): info.shape for key, info in header.tensors.items() if key.startswith(prefix)}
    diffusers = any(".resnets." in name for name in shapes)
    names = t2i_names(shapes, diffusers=diffusers, light=light)
    found = {name: shapes[key] for name, key in names.items()}
    unshuffle = _COARSE if not light and first[1] in _PIXELS else _FINE
    if first[1] % unshuffle**2:
        raise LayoutError(f"its first layer takes {first[1]} channels, which are no whole pixels")
    return T2iConfig(
        prefix=prefix,
        diffusers=diffusers,
        light=light,
        input_channels=first[1] // unshuffle**2,
        unshuffle=unshuffle,
        channels=_channels(found, light=light),
        layers=_layers(found),
    )


def t2i_names(keys: Mapping[str, Any], *, diffusers: bool, light: bool) -> dict[str, str]:
    """The file's key, without its prefix, for each weight of diffusers' module."""
    if diffusers:
        return {key: key for key in keys}
    return {_light_name(key) if light else _full_name(key): key for key in keys}


def _full_name(key: str) -> str:
    """The original numbers layers through all resolutions, two to each."""
    found = _ORIGINAL_LAYER.fullmatch(key)
    if found is None:
        return key
    resolution, layer = divmod(int(found[1]), _LAYERS)
    inside = found[2] if found[2] == "in_conv" else f"resnets.{layer}.{found[2]}"
    return f"body.{resolution}.{inside}.{found[3]}"


def _light_name(key: str) -> str:
    return _ORIGINAL_LIGHT_LAYER.sub(r"body.\1.resnets.\2.\3", key)


def _channels(shapes: Mapping[str, tuple[int, ...]], *, light: bool) -> list[int]:
    last = "out_conv.weight" if light else "resnets.0.block2.weight"
    widths: list[int] = []
    while (name := f"body.{len(widths)}.{last}") in shapes:
        widths.append(shapes[name][0])
    if not widths:
        raise LayoutError("its layers are not those of a T2I adapter")
    return widths


def _layers(shapes: Mapping[str, Any]) -> int:
    return next(number for number in count() if f"body.0.resnets.{number}.block1.weight" not in shapes)
