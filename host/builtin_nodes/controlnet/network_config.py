"""Finds a control network in a file, in the original layout or diffusers', and reads its dimensions off the shapes.

The original layout is that of Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.ldm_unet.config import way_down
from host.builtin_nodes.families.ldm_unet.layout import heads_of_64
from host.builtin_nodes.families.ldm_unet.names import original_names
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header

PREFIXES = ("control_model.", "controlnet.", "module.", "")
"""What may precede the names of control networks: in files cut out of a whole checkpoint, and by trainers."""

LENDING_MARK = "lora_controlnet"
"""A tensor whose presence says that the file has but factors of what changes the weights of the model at work."""

_HINT = "controlnet_cond_embedding"
_ORIGINAL_MARK, _DIFFUSERS_MARK = "zero_convs.0.0.weight", f"{_HINT}.conv_in.weight"
_MOTION = ".motion_modules."
_VECTOR, _DIFFUSERS_VECTOR = "class_embedding.", "add_embedding."
_SD1_HEADS = 8
_TASKS = "task_embedding"
_POOLED = re.compile(r"_shuffle(_fp16)?$")


@dataclass(frozen=True, kw_only=True)
class ControlNetConfig:
    """Everything that decides a control network's shape; see ``UnetConfig`` for the fields of the same names.

    Attributes:
        hint_channels: of the picture it looks at.
        hint_widths: of the layers between the picture and the network.
        context_channels: None where nothing in it attends to the prompt.
        middle_attends: its middle block has attention.
        control_types: how many kinds of hints it tells apart; None where it knows but one.
        task_width, task_layers, type_width: of what tells them apart.
        pooled: what it adds is the same everywhere, as in networks that shuffle a picture's content.
        lent: most of its weights are the model's, changed by products of low rank.
    """

    in_channels: int
    channels: Sequence[int]
    down_depths: Sequence[Sequence[int]]
    middle_depth: int
    context_channels: int | None
    heads: Sequence[int]
    model_channels: int
    time_channels: int
    linear_projections: bool
    vector_channels: int | None
    hint_channels: int
    hint_widths: Sequence[int]
    control_types: int | None = None
    task_width: int = 0
    task_layers: int = 0
    type_width: int = 0
    pooled: bool = False
    lent: bool = False

    @property
    def for_family(self) -> str:
        """The family of models it steers, as far as shapes tell."""
        if self.vector_channels is not None:
            return "sdxl"
        return "sd2" if self.linear_projections else "sd1"


@dataclass(frozen=True, kw_only=True)
class FoundControlNet:
    """Where a file's control network is, and what its shapes tell."""

    prefix: str
    original: bool
    network: ControlNetConfig

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, with what they mean to users beside them."""
        return {**asdict(self), "for_family": self.network.for_family, "hint_channels": self.network.hint_channels}


def find_control_net(header: Header) -> FoundControlNet:
    """The control network in a file.

    Raises:
        LayoutError: there is none, or of impossible dimensions.
    """
    marks = ((prefix, mark) for prefix in PREFIXES for mark in (_ORIGINAL_MARK, _DIFFUSERS_MARK))
    prefix, mark = next((each for each in marks if "".join(each) in header.tensors), ("", ""))
    if not mark:
        raise LayoutError("there is no control network of latent diffusion in it")
    if any(_MOTION in key for key in header.tensors):
        raise LayoutError("it has motion modules, as control networks for videos have, which can't be used here yet")
    original = mark == _ORIGINAL_MARK
    names = control_net_names(header, prefix, original=original)
    shapes = {name: header.tensors[key].shape for name, key in names.items()}
    return FoundControlNet(prefix=prefix, original=original, network=_config(header, {**_products(shapes), **shapes}))


def control_net_names(header: Header, prefix: str, *, original: bool) -> dict[str, str]:
    """The file's key for each weight of the module.

    Raises:
        LayoutError: a tensor has no place in a control network.
    """
    below = (key.removeprefix(prefix) for key in header.tensors if key.startswith(prefix))
    keys = [key for key in below if "." in key or key == _TASKS]
    if not original:
        return {_in_module(key): prefix + key for key in keys}
    own = {name: key for key in keys if (name := _own_name(key)) is not None}
    shared = original_names(key for key in keys if key not in own.values())
    return {name: prefix + key for name, key in {**shared, **own}.items()}


def _products(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of which there are but two factors."""
    stems = [name.removesuffix(".up") for name in shapes if name.endswith(".up")]
    return {
        f"{stem}.weight": (*shapes[f"{stem}.up"][:1], *shapes[f"{stem}.down"][1:])
        for stem in stems
        if f"{stem}.down" in shapes
    }


def _in_module(key: str) -> str:
    return key.replace(_DIFFUSERS_VECTOR, _VECTOR, 1) if key.startswith(_DIFFUSERS_VECTOR) else key


_OWN = (
    (re.compile(r"zero_convs\.(\d+)\.0\.(\w+)"), r"controlnet_down_blocks.\1.\2"),
    (re.compile(r"middle_block_out\.0\.(\w+)"), r"controlnet_mid_block.\1"),
)
_TELLING = (_TASKS, "control_add_embedding.", "spatial_ch_projs.", "transformer_layes.")
"""What tells several kinds of hints apart, which both layouts call the same."""

_HINT_LAYER = re.compile(r"input_hint_block\.(\d+)\.(\w+)")
_LAST_HINT_LAYER = 14


def _own_name(key: str) -> str | None:
    """The module's name for what a control network has beyond a UNet."""
    if key.startswith(_TELLING):
        return key
    for pattern, name in _OWN:
        if pattern.fullmatch(key):
            return pattern.sub(name, key)
    found = _HINT_LAYER.fullmatch(key)
    if found is None:
        return None
    number, kind = int(found[1]), found[2]
    # Activations take every other number.
    layer = {0: "conv_in", _LAST_HINT_LAYER: "conv_out"}.get(number, f"blocks.{number // 2 - 1}")
    return f"{_HINT}.{layer}.{kind}"


def _config(header: Header, shapes: Mapping[str, tuple[int, ...]]) -> ControlNetConfig:
    fields = way_down(shapes)
    for depths in fields["down_depths"]:
        if len(set(depths)) != 1:
            raise LayoutError("its blocks of one resolution are not alike")
    hint = _hint_shapes(shapes)
    return ControlNetConfig(
        **fields,
        heads=_heads(header, fields),
        hint_channels=hint[0][1],
        hint_widths=[shape[0] for shape in hint],
        pooled=_POOLED.search(header.path.stem) is not None,
        lent=LENDING_MARK in header.tensors,
        **_union(shapes),
    )


def _hint_shapes(shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Shapes of the filters that a new width begins with: the first, then each that halves the resolution."""
    names = [f"{_HINT}.conv_in.weight", *(f"{_HINT}.blocks.{2 * level + 1}.weight" for level in range(len(shapes)))]
    found = [shapes[name] for name in names if name in shapes]
    if not found or any(len(shape) != 4 for shape in found):
        raise LayoutError("it has no convolution for its hints")
    return found


def _heads(header: Header, fields: Mapping[str, Any]) -> list[int]:
    widths: Sequence[int] = fields["channels"]
    stated = whole_number(stated_facts(header), "unet.heads")
    is_sd1 = not fields["linear_projections"] and fields["vector_channels"] is None
    heads = [stated or _SD1_HEADS] * len(widths) if stated or is_sd1 else heads_of_64(widths)
    for width, split in zip(widths, heads, strict=True):
        if width % split:
            raise LayoutError(f"{width} channels can't be split into {split} attention heads")
    return heads


def _union(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The dimensions of what tells several kinds of hints apart, where there is that."""
    tasks, types = shapes.get(_TASKS), shapes.get("control_add_embedding.linear_1.weight")
    if tasks is None or types is None:
        return {}
    layers = next(number for number in count() if f"transformer_layes.{number}.ln_1.weight" not in shapes)
    return {
        "control_types": tasks[0],
        "task_width": tasks[1],
        "task_layers": layers,
        "type_width": types[1] // tasks[0],
    }
