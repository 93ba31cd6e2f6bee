"""Names of a UNet's weights in the original layout, for those of diffusers' module: the reverse of ``names``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from host.builtin_nodes.families.ldm_unet.names import CELLS, ENDS

_ORIGINAL_ENDS = {name: original for original, name in ENDS.items()}
_ORIGINAL_CELLS = {name: original for original, name in CELLS.items()}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)\.(\w+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)\.(\w+)")


def original_paths(names: Iterable[str], layers: Sequence[int]) -> dict[str, str]:
    """The original name for each of the module's; names that are no UNet's are left out.

    Args:
        layers: residual blocks at each resolution on the way down, from the highest on.
    """
    known = list(names)
    found = ((name, _original(name, layers, known)) for name in known)
    return {name: original for name, original in found if original is not None}


def _original(name: str, layers: Sequence[int], known: Sequence[str]) -> str | None:
    stem, _, kind = name.rpartition(".")
    if stem in _ORIGINAL_ENDS:
        return f"{_ORIGINAL_ENDS[stem]}.{kind}"
    if match := _MIDDLE.fullmatch(name):
        part, number, rest, kind = match.groups()
        cell = 1 if part == "attentions" else 2 * int(number)
        return f"middle_block.{cell}.{_cell(rest)}.{kind}"
    if match := _BLOCK.fullmatch(name):
        way, level, part, number, rest, kind = match.groups()
        place: Callable[..., str] = _down if way == "down" else partial(_up, known)
        return f"{place(int(level), part, int(number), rest, layers)}.{kind}"
    return None


def _cell(rest: str) -> str:
    return _ORIGINAL_CELLS.get(rest, rest)


def _down(level: int, part: str, number: int, rest: str, layers: Sequence[int]) -> str:
    first = 1 + sum(count + 1 for count in layers[:level])
    if part == "downsamplers":
        return f"input_blocks.{first + layers[level]}.0.op"
    return f"input_blocks.{first + number}.{int(part == 'attentions')}.{_cell(rest)}"


def _up(known: Sequence[str], level: int, part: str, number: int, rest: str, layers: Sequence[int]) -> str:
    rising = [count + 1 for count in reversed(layers)]
    first = sum(rising[:level])
    if part == "upsamplers":
        attends = any(name.startswith(f"up_blocks.{level}.attentions.") for name in known)
        return f"output_blocks.{first + rising[level] - 1}.{1 + attends}.conv"
    return f"output_blocks.{first + number}.{int(part == 'attentions')}.{_cell(rest)}"
