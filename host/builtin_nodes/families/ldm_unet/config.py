"""Dimensions of a UNet, read off the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.group_norm import check_widths
from host.builtin_nodes.families.refusals import LayoutError

_CONV_DIMENSIONS = 4
_MIDDLE = "mid_block.resnets.0.conv1.weight"

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class UnetConfig:
    """Everything that decides a UNet's shape. Lists run from the highest resolution to the lowest.

    Attributes:
        channels: width at each resolution.
        down_depths: transformer blocks of each residual block on the way down, for each resolution.
        up_depths: the same on the way up; one block more at each resolution.
        middle_depth: transformer blocks at the lowest resolution, between the two ways; 0 where there is but one
            residual block, as in models distilled from Stable Diffusion XL (SSD-1B, Vega), or none.
        heads: attention heads at each resolution.
        model_channels: width of the sinusoidal timestep embedding.
        time_channels: width of the embedding that residual blocks get.
        vector_channels: width of the vector conditioning, where there is one.
        has_middle: whether there is anything between the two ways, which some distilled models lack (BK-SDM, KOALA).
    """

    in_channels: int
    out_channels: int
    channels: Sequence[int]
    down_depths: Sequence[Sequence[int]]
    up_depths: Sequence[Sequence[int]]
    middle_depth: int
    context_channels: int
    heads: Sequence[int]
    model_channels: int
    time_channels: int
    linear_projections: bool
    vector_channels: int | None = None
    has_middle: bool = True

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``UnetConfig(**fields)`` takes them."""
        return dict(vars(self))


@dataclass(frozen=True)
class UnetShape:
    """What shapes alone tell; attention heads are missing."""

    fields: Mapping[str, Any]

    @property
    def channels(self) -> Sequence[int]:
        return list(self.fields["channels"])

    def with_heads(self, heads: Sequence[int]) -> UnetConfig:
        """The whole configuration, with a number of heads for each resolution.

        Raises:
            LayoutError: a width can't be split into so many heads.
        """
        for width, split in zip(self.channels, heads, strict=True):
            if split < 1 or width % split:
                raise LayoutError(f"{width} channels can't be split into {split} attention heads")
        return UnetConfig(heads=list(heads), **self.fields)


def unet_shape(shapes: Shapes) -> UnetShape:
    """The dimensions of a UNet whose tensors have these shapes, by the names of diffusers' module.

    Raises:
        LayoutError: tensors are missing, or the shapes fit no such UNet.
    """
    shared = way_down(shapes)
    down, middle = shared["down_depths"], shared["middle_depth"]
    up = [_depths(shapes, f"up_blocks.{level}") for level in reversed(range(len(down)))]
    _check_depths(down, up)
    _check_middle(shapes, down[-1], middle)
    if shared["context_channels"] is None:
        raise LayoutError("it has no cross attention")
    ends = {"out_channels": _filter(shapes, "conv_out.weight")[0], "has_middle": _MIDDLE in shapes}
    return UnetShape({**shared, **ends, "up_depths": up})


def way_down(shapes: Shapes) -> dict[str, Any]:
    """The fields of ``UnetConfig`` that its way down and its middle block decide, which control networks have, too.

    ``context_channels`` is None where nothing attends to a prompt.

    Raises:
        LayoutError: tensors are missing, or the shapes fit no such UNet.
    """
    channels = _widths(shapes)
    time = _matrix(shapes, "time_embedding.linear_1.weight")
    vector = shapes.get("class_embedding.linear_1.weight")
    projection = _first(shapes, ".proj_in.weight")
    context = _first(shapes, ".attn2.to_k.weight")
    return {
        "in_channels": _filter(shapes, "conv_in.weight")[1],
        "channels": channels,
        "down_depths": [_depths(shapes, f"down_blocks.{level}") for level in range(len(channels))],
        "middle_depth": _depth(shapes, "mid_block.attentions.0"),
        "context_channels": context[-1] if context else None,
        "model_channels": time[1],
        "time_channels": time[0],
        "linear_projections": projection is not None and len(projection) != _CONV_DIMENSIONS,
        "vector_channels": vector[-1] if vector else None,
    }


def _widths(shapes: Shapes) -> list[int]:
    widths = []
    for level in count():
        name = f"down_blocks.{level}.resnets.0.conv1.weight"
        if name not in shapes:
            break
        widths.append(_filter(shapes, name)[0])
    if not widths:
        raise LayoutError("it has no residual blocks")
    check_widths(widths)
    return widths


def _depths(shapes: Shapes, place: str) -> list[int]:
    depths: list[int] = []
    while f"{place}.resnets.{len(depths)}.conv1.weight" in shapes:
        depths.append(_depth(shapes, f"{place}.attentions.{len(depths)}"))
    return depths


def _depth(shapes: Shapes, attention: str) -> int:
    depth = 0
    while f"{attention}.transformer_blocks.{depth}.attn1.to_q.weight" in shapes:
        depth += 1
    return depth


def _check_depths(down: Sequence[Sequence[int]], up: Sequence[Sequence[int]]) -> None:
    for level, (going_down, going_up) in enumerate(zip(down, up, strict=True)):
        if len(going_up) != len(going_down) + 1:
            raise LayoutError(
                f"resolution {level} has {len(going_down)} blocks on the way down and {len(going_up)} on the way up"
            )
        for depths in (going_down, going_up):
            if 0 < sum(map(bool, depths)) < len(depths):
                raise LayoutError(f"only some blocks of resolution {level} have attention")
        if any(going_down) != any(going_up):
            raise LayoutError(f"resolution {level} has attention on one way only")


def _check_middle(shapes: Shapes, lowest: Sequence[int], middle: int) -> None:
    if middle == 0 and "mid_block.resnets.1.conv1.weight" in shapes:
        raise LayoutError("its middle block has no attention")
    if middle and any(lowest) and lowest[0] != middle:
        raise LayoutError("its middle block is not as deep as the lowest resolution")


def _filter(shapes: Shapes, name: str) -> tuple[int, ...]:
    return _shape(shapes, name, _CONV_DIMENSIONS)


def _matrix(shapes: Shapes, name: str) -> tuple[int, ...]:
    return _shape(shapes, name, 2)


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None:
        raise LayoutError(f"it has no {name}")
    if len(shape) != dimensions:
        raise LayoutError(f"{name} has shape {list(shape)}")
    return shape


def _first(shapes: Shapes, suffix: str) -> tuple[int, ...] | None:
    return next((shape for name, shape in shapes.items() if name.endswith(suffix)), None)
