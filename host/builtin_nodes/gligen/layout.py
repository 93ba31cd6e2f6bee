"""Finds GLIGEN's layers in a file and reads their dimensions off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header

_FUSER = re.compile(r"(input_blocks|middle_block|output_blocks)\.(\d+)\..*\.fuser\.(.+)")
_ORDER = ("input_blocks", "middle_block", "output_blocks")
_POSITIONS, _TEXT, _OUTPUT = "position_net.", "position_net.null_positive_feature", "position_net.linears.4.weight"
_SD1_CONTEXT, _SD1_HEADS, _CHANNELS_PER_HEAD = 768, 8, 64


@dataclass(frozen=True, kw_only=True)
class GligenLayout:
    """GLIGEN's layers.

    Attributes:
        widths: of the denoiser's transformers that have one, in the order they are passed.
        heads: of each.
        text: width of the pooled vectors that say what is in a box.
        tokens: width of the tokens that boxes become.
    """

    widths: list[int]
    heads: list[int]
    text: int
    tokens: int

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``GligenLayout(**fields)`` takes them."""
        return asdict(self)


def read_layout(header: Header) -> GligenLayout:
    """The layers of a file.

    Raises:
        LayoutError: there are none, or of impossible dimensions.
    """
    text, output = header.shape(_TEXT), header.shape(_OUTPUT)
    if not text or not output or len(output) != 2:
        raise LayoutError(f"there is no net for boxes in it ({_TEXT})")
    names = gligen_names(header)
    linears = [key for name, key in names.items() if name.endswith(".linear.weight") and name.startswith("fusers.")]
    shapes = [header.tensors[key].shape for key in linears]
    if not shapes or any(len(shape) != 2 or shape[1] != output[0] for shape in shapes):
        raise LayoutError("its gated layers don't take what its net for boxes makes")
    stated, widths = whole_number(stated_facts(header), "unet.heads"), [shape[0] for shape in shapes]
    fixed = stated or (_SD1_HEADS if output[0] == _SD1_CONTEXT else None)
    heads = [fixed or max(1, width // _CHANNELS_PER_HEAD) for width in widths]
    if any(width % split for width, split in zip(widths, heads, strict=True)):
        raise LayoutError("its gated layers can't be split into their heads")
    return GligenLayout(widths=widths, heads=heads, text=text[0], tokens=output[0])


def gligen_names(header: Header) -> Mapping[str, str]:
    """The file's key for each weight of the module; gated layers are counted in the order they are passed."""
    matches = {key: match for key in header.tensors if (match := _FUSER.fullmatch(key))}
    places = sorted({(_ORDER.index(match[1]), int(match[2])) for match in matches.values()})
    names = {key: key for key in header.tensors if key.startswith(_POSITIONS)}
    fusers = {
        f"fusers.{places.index((_ORDER.index(match[1]), int(match[2])))}.{match[3]}": key
        for key, match in sorted(matches.items(), key=lambda item: (_ORDER.index(item[1][1]), int(item[1][2])))
    }
    return {**names, **fusers}
