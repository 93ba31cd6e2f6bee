"""What a node was given over its links, held against what the sockets promise before the node's body sees it.

So a body may take for granted that an image is a tensor [batch, height, width, channel] with pixels in it, and what a
user reads names the node, the input, what came, and what to do about it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sdk.errors import NodeError, UnfitInput, UnfitInputs
from sdk.markers import Shaped
from sdk.nodes import Blocker, Input

_AXES: Mapping[str, str] = {"IMAGE": "[batch, height, width, channel]", "MASK": "[batch, height, width]"}
_NAMES: Mapping[str, str] = {"IMAGE": "an image", "MASK": "a mask", "LATENT": "a latent", "AUDIO": "a sound"}
_ANY = Shaped()
_KINDS: Mapping[str, str] = {"a latent": " Pictures have 4 dimensions, videos 5, sounds 3 or 4."}
_DESCRIBED = frozenset({*_NAMES, "CONDITIONING", "SIGMAS", "INT", "FLOAT", "STRING"})
"""Types whose values are looked into. Others pass, also as None: some nodes can do without a model."""
_FEWEST: Mapping[str, int] = {"IMAGE": 4, "MASK": 2, "LATENT": 3}
"""Dimensions; a mask may come without a batch, and the latent of a sound has neither height nor width."""

_MISMATCH = re.compile(
    r"must match|shapes cannot be multiplied|size mismatch|same number of dimensions|spatial dimensions"
    r"|could not be broadcast|cannot reshape|invalid for input of size|channels, but got|same dimensions"
    r"|Expected [0-9]D|out of bounds|Dimension out of range|too many indices|[Oo]utput size|[Pp]adding size"
    r"|[Nn]egative dimension|must be non-negative|broadcastable|normalized_shape|[Kk]ernel size can't be greater"
)
_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory|Overflow when unpacking|Storage size")
_NO_VALUE = (
    "nothing came over its link",
    "Look at the node it is linked to, which gave no value, for instance because a file does not have that part.",
)


def check(node: str, item: Input, shaped: Shaped | None, value: Any, *, is_list: bool = False) -> None:
    """Nothing, if the value is what the input's socket promises.

    Args:
        node: id, for the message.
        shaped: what the node asks of the input beyond its socket.
        is_list: the value holds one value for each item of a list.

    Raises:
        UnfitInput: it is not.
    """
    if item.lazy or item.raw_link or isinstance(value, Blocker):
        return
    for each in value if is_list and isinstance(value, list) else (value,):
        if each is None and not item.required:
            continue
        found = [_fault(kind.strip(), each, shaped or _ANY) for kind in item.type.split(",")]
        if fault := next(iter(found)) if all(found) else None:
            raise UnfitInput(node, item.name, *fault)


def mismatch(node: str, items: Iterable[Input], inputs: Mapping[str, Any], error: Exception) -> NodeError | None:
    """The sentence for a complaint about sizes, memory, a number or a missing value; None for one of another kind."""
    said = str(error).strip().partition("\n")[0]
    missing = [item.name for item in items if item.required and inputs.get(item.name, error) is None]
    if missing and "NoneType" in said:
        return UnfitInput(node, missing[0], *_NO_VALUE)
    if fault := next(filter(None, (_range_fault(item, inputs.get(item.name)) for item in items)), None):
        return UnfitInput(node, *fault)
    given = {name: text for name, value in inputs.items() if (text := shape_of(value))}
    numbers = {name: str(value) for name, value in inputs.items() if type(value) in (int, float)}
    if _MEMORY.search(said):
        return UnfitInputs(node, {**given, **numbers}, said, is_memory=True)
    if (given or numbers) and _MISMATCH.search(said):
        return UnfitInputs(node, given or numbers, said)
    return None


def _range_fault(item: Input, value: Any) -> tuple[str, str, str] | None:
    """A number beyond the declared range, as links may carry them: other nodes can work with it, this one could not."""
    if not isinstance(value, int | float):
        return None
    low, high = item.option("min", -math.inf), item.option("max", math.inf)
    if low <= value <= high and (isinstance(value, int) or math.isfinite(value)):
        return None
    return item.name, f"{value} is outside of its range {low}..{high}", "Link a number within the range to it."


def shape_of(value: Any) -> str:
    """The sizes of what a link carries, as ``[1, 16, 24, 3]``; empty for values without any."""
    if isinstance(value, Mapping):
        value = value.get("samples", value.get("waveform"))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, (shape_of(entry) for entry in value[:4])))
    shape = getattr(value, "shape", None)
    return "" if shape is None else str(list(shape))


def _fault(kind: str, value: Any, shaped: Shaped) -> tuple[str, str] | None:
    """(what is wrong, what to do), or None."""
    if kind not in _DESCRIBED:
        return None
    if value is None:
        return _NO_VALUE
    faults: Iterator[tuple[str, str]] = iter(())
    if kind in ("IMAGE", "MASK"):
        faults = _tensor_faults(kind, value, shaped)
    elif kind == "LATENT":
        faults = _latent_faults(value, shaped)
    elif kind == "AUDIO":
        faults = _sound_faults(value)
    elif kind == "CONDITIONING":
        faults = _conditioning_faults(value)
    elif kind == "SIGMAS" and len(getattr(value, "shape", ())) != 1:
        faults = iter([_no("a list of noise levels", value, "Link a scheduler's output to it.")])
    elif kind in ("INT", "FLOAT", "STRING"):
        faults = _plain_faults(kind, value)
    return next(faults, None)


def _plain_faults(kind: str, value: Any) -> Iterator[tuple[str, str]]:
    is_text = isinstance(value, str)
    if kind == "STRING" and not is_text:
        yield _no("a text", value, "Convert it first.")
    elif kind != "STRING" and (is_text or not hasattr(value, "__float__")):
        yield _no("a number", value, "Convert it first.")


def _tensor_faults(kind: str, value: Any, shaped: Shaped) -> Iterator[tuple[str, str]]:
    shape = getattr(value, "shape", None)
    name = _NAMES[kind]
    if shape is None:
        yield _no(name, value, f"Link something to it that gives {name}.")
    elif len(shape) < _FEWEST[kind] or (kind == "IMAGE" and len(shape) != _FEWEST[kind]):
        yield _no(name, value, f"{name.capitalize()} is a tensor {_AXES[kind]}; the node it comes from is to blame.")
    else:
        height, width = shape[1:3] if kind == "IMAGE" else shape[-2:]
        yield from _side_faults(name, height, width, shaped, "pixels")
        yield from _asked(name, list(shape), shape[-1] if kind == "IMAGE" else None, shaped)


def _latent_faults(value: Any, shaped: Shaped) -> Iterator[tuple[str, str]]:
    samples = value.get("samples") if isinstance(value, Mapping) else None
    shape = getattr(samples, "shape", None)
    if samples is None:
        yield _no("a latent", value, "A latent is a dict with the tensor `samples`: link a latent to it.")
    elif shape is not None:
        if len(shape) < _FEWEST["LATENT"]:
            yield _no("a latent", samples, "Its tensor is [batch, channel, …]; the node it comes from is to blame.")
        elif len(shape) > 3:
            yield from _side_faults("a latent", shape[-2], shape[-1], shaped, "cells")
        yield from _asked("a latent", list(shape), shape[1] if len(shape) > 1 else None, shaped)


def _asked(name: str, shape: list[int], channels: int | None, shaped: Shaped) -> Iterator[tuple[str, str]]:
    """What the node itself asks for."""
    if shaped.dimensions and len(shape) not in shaped.dimensions:
        wanted = " or ".join(map(str, shaped.dimensions))
        yield (
            f"{name} of shape {shape} has {len(shape)} dimensions and this node works on {wanted}",
            "Use a node that is made for what it is." + _KINDS.get(name, ""),
        )
    if shape[0] < shaped.batch:
        yield f"{name} of shape {shape} holds none at all", "Look at what splits or makes the batch."
    if channels is not None and channels < shaped.channels:
        yield (
            f"{name} of shape {shape} has {channels} channels and this node needs {shaped.channels}",
            "Give it one in colour.",
        )


def _side_faults(name: str, height: int, width: int, shaped: Shaped, unit: str) -> Iterator[tuple[str, str]]:
    if 0 in (height, width):
        yield f"{name} of {width} x {height} {unit} is empty", "Look at what cuts or makes it."
    elif min(height, width) < shaped.side:
        yield (
            f"{name} of {width} x {height} {unit} is too small for this node",
            f"It takes at least {shaped.side} x {shaped.side}.",
        )


def _sound_faults(value: Any) -> Iterator[tuple[str, str]]:
    known = isinstance(value, Mapping) and {"waveform", "sample_rate"} <= value.keys()
    if not known or len(getattr(value["waveform"], "shape", ())) != 3:
        found = value["waveform"] if known else value
        yield _no("a sound", found, "A sound is a dict with `waveform`, [batch, channel, sample], and `sample_rate`.")
    elif value["sample_rate"] <= 0:
        yield f"a sound of {value['sample_rate']} samples a second can't be heard", "Its sample rate must be above 0."


def _conditioning_faults(value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list | tuple) or not all(map(_is_entry, value)):
        yield _no("a prompt", value, "A prompt is a list of [tensor, dict] pairs: link a text encoding node to it.")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[1], Mapping)


def _no(wanted: str, value: Any, remedy: str) -> tuple[str, str]:
    shape = shape_of(value)
    shown = f"a tensor of shape {shape}" if shape else f"{value!r:.60}"
    return f"{shown} is not {wanted}", remedy
