"""Whether a value is what its socket type promises, and whether two values are the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sdk.nodes import Blocker, NodeResult, NodeType

_PLAIN: Mapping[str, tuple[type, ...]] = {"INT": (int,), "FLOAT": (int, float), "STRING": (str,), "BOOLEAN": (bool,)}
_TOLERANCE = 1e-3


def check_result(node: NodeType, result: NodeResult) -> list[str]:
    """In what a node's result is not what the node declares, one sentence each; empty where it is."""
    if result.expand is not None:
        return []
    given, wanted = len(result.outputs), len(node.outputs)
    if given != wanted:
        return [f"it declares {wanted} outputs and gives {given}"]
    faults = []
    for output, value in zip(node.outputs, result.outputs, strict=True):
        faults += [f"output {output.name!r} {fault}" for fault in _list_faults(output.type, output.is_list, value)]
    return faults


def _list_faults(kind: str, is_list: bool, value: Any) -> Iterator[str]:
    if isinstance(value, Blocker):
        return
    if not is_list:
        yield from _faults(kind, value)
    elif not isinstance(value, list | tuple):
        yield f"is declared as a list and is {_shown(value)}"
    else:
        for item in value:
            yield from () if isinstance(item, Blocker) else _faults(kind, item)


def _faults(kind: str, value: Any) -> Iterator[str]:
    """Faults of one value; types that nobody has described are taken as they are."""
    if kind in _PLAIN:
        right = isinstance(value, _PLAIN[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))
        if not right:
            yield f"is declared {kind} and is {_shown(value)}"
    elif kind in ("IMAGE", "MASK"):
        yield from _picture_faults(kind, value)
    elif kind == "LATENT":
        samples = value.get("samples") if isinstance(value, Mapping) else None
        if len(getattr(samples, "shape", ())) < 4:
            yield "is no latent: a dict with `samples`, a tensor [batch, channel, height, width]"
    elif kind == "SIGMAS" and len(getattr(value, "shape", ())) != 1:
        yield f"is no tensor of noise levels: {_shown(value)}"
    elif kind == "AUDIO" and not (isinstance(value, Mapping) and {"waveform", "sample_rate"} <= value.keys()):
        yield "is no sound: a dict with `waveform` and `sample_rate`"
    elif kind == "CONDITIONING" and not _is_conditioning(value):
        yield "is no conditioning: a list of [tensor, dict] pairs"


def _picture_faults(kind: str, value: Any) -> Iterator[str]:
    axes = {"IMAGE": "[batch, height, width, channel]", "MASK": "[batch, height, width]"}[kind]
    if len(getattr(value, "shape", ())) != axes.count(",") + 1:
        yield f"is no {kind}: a tensor {axes}, not {_shown(value)}"
        return
    if str(value.dtype) != "torch.float32":
        yield f"is {value.dtype} and must be float32"
    elif 0 not in value.shape:
        low, high = float(value.min()), float(value.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            yield "holds numbers that are not finite"
        elif low < -_TOLERANCE or high > 1 + _TOLERANCE:
            yield f"holds values from {low:.4g} to {high:.4g} and must stay in 0..1"


def _is_conditioning(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[1], Mapping) for entry in value
    )


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal, also where they hold tensors or arrays, whose ``==`` gives no truth value."""
    if hasattr(left, "shape") and hasattr(right, "shape"):
        return bool(
            tuple(left.shape) == tuple(right.shape) and left.dtype == right.dtype and bool((left == right).all())
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, str | bytes) or isinstance(right, str | bytes):
        return bool(left == right)
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return len(left) == len(right) and all(map(same, left, right))
    return left is right or _equal(left, right)


def _equal(left: Any, right: Any) -> bool:
    """By ``==`` where a type has one; objects that only know themselves are the same if they are of one type."""
    if "__eq__" not in {name for kind in type(left).__mro__[:-1] for name in vars(kind)}:
        return type(left) is type(right)
    return bool(left == right) or (left != left and right != right)  # NaN equals NaN here


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__} of shape {tuple(shape)}" if shape is not None else f"{value!r:.60}"
