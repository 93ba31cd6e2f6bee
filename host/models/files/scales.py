"""Weights that a file stores with factors, most of them of eight bits, as its header tells; reads no tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from host.models.errors import ModelFileError
from sdk.models import Header, TensorInfo

SCALED_MARK = "scaled_fp8"
"""Name of the empty tensor by which a file says that its fp8 weights come with scales."""

_SCALES = (".scale_weight", ".weight_scale")
_LEFT_OUT = (".scale_input", ".input_scale", ".comfy_quant", f".{SCALED_MARK}")
_WEIGHT = ".weight"
_IN_ALL_NAMES = "scale"
_EIGHT_BITS = frozenset({"F8_E4M3", "F8_E5M2"})
_FLOATS = _EIGHT_BITS | {"F16", "BF16", "F32", "F64"}
"""Layers that were left wider may come with factors, too."""


def scales_of(header: Header) -> Mapping[str, str]:
    """The name of its scale for each weight that has one: ``<layer>.scale_weight`` or ``<layer>.weight_scale``.

    Raises:
        ModelFileError: a scale is neither a factor for all of its weight nor one for each of its rows.
    """
    if not header.mentions(*_SCALES):
        return {}
    infos = header.tensors
    found = ((weight, _scale_of(weight, infos)) for weight, info in infos.items() if info.dtype in _FLOATS)
    scales = {weight: scale for weight, scale in found if scale is not None}
    for weight, scale in scales.items():
        count, rows = math.prod(infos[scale].shape), infos[weight].shape[:1]
        if count != 1 and (count,) != rows:
            raise ModelFileError(header.path, f"stores {weight!r} with {count} factors, for blocks that aren't known")
    return scales


def without_scales(header: Header, scales: Mapping[str, str] | None = None) -> Header:
    """The header as it is once scales are applied; the same one where there are none, nor the mark of such files.

    Weights of eight bits then count as bfloat16, which is all they are worth. Scales of inputs are left out, too: they
    only matter to eight-bit arithmetic. Raises what ``scales_of`` does.
    """
    if not header.mentions(_IN_ALL_NAMES):
        return header
    scales = scales_of(header) if scales is None else scales
    if not scales and not header.mentions(SCALED_MARK):
        return header
    infos, gone = header.tensors, set(scales.values())
    tensors = {
        key: TensorInfo("BF16", info.shape) if key in scales and info.dtype in _EIGHT_BITS else info
        for key, info in infos.items()
        if key not in gone and key != SCALED_MARK and not key.endswith(_LEFT_OUT)
    }
    stored = next((infos[key].dtype for key in scales if infos[key].dtype in _EIGHT_BITS), None)
    if stored is None:
        return replace(header, tensors=tensors)
    kind = f"fp8 {stored.removeprefix('F8_').lower()} with per-tensor scale_weight"
    return replace(header, tensors=tensors, metadata={**header.metadata, "quantisation": kind})


def _scale_of(weight: str, infos: Mapping[str, TensorInfo]) -> str | None:
    if not weight.endswith(_WEIGHT):
        return None
    stem = weight.removesuffix(_WEIGHT)
    return next((stem + end for end in _SCALES if stem + end in infos), None)
