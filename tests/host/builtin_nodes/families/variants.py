"""Files of the field that aren't among the real headers: those with other places, dtypes, shapes and company."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.host.builtin_nodes.families.real_headers import real_files

Tensors = dict[str, tuple[str, list[int]]]

UNET = "model.diffusion_model."
_BLOCK = re.compile(r"blocks\.\d+\.")


def tensors_of(kind: str) -> Tensors:
    """The tensors of a real file {name: (dtype, shape)}."""
    return {key: (dtype, shape) for key, (dtype, shape) in real_files()[kind]["tensors"].items()}


def after(place: str, tensors: Tensors) -> Tensors:
    """The same with something before each name."""
    return {place + key: entry for key, entry in tensors.items()}


def below(place: str, tensors: Tensors) -> Tensors:
    """What there is after a place, without it."""
    return {key.removeprefix(place): entry for key, entry in tensors.items() if key.startswith(place)}


def without(tensors: Tensors, *places: str) -> Tensors:
    """The same without what begins like this."""
    return {key: entry for key, entry in tensors.items() if not key.startswith(places)}


def shaped(tensors: Tensors, **shapes: list[int]) -> Tensors:
    """The same with other shapes, by the name's last words with ``__`` for the dot."""
    wanted = {name.replace("__", "."): shape for name, shape in shapes.items()}
    changed = {key: name for key in tensors for name in wanted if key.endswith(name)}
    assert set(changed.values()) == set(wanted)
    return {key: (dtype, wanted[changed[key]] if key in changed else shape) for key, (dtype, shape) in tensors.items()}


def with_more(tensors: Tensors, **shapes: list[int]) -> Tensors:
    """The same with more tensors, by name with ``__`` for the dot."""
    return tensors | {name.replace("__", "."): ("F32", shape) for name, shape in shapes.items()}


def in_fp8(tensors: Tensors, scale: str = "", mark: str = "") -> Tensors:
    """Matrices in eight bits; with scales that are called so, and a tensor that says it."""
    result: Tensors = {}
    for key, (dtype, shape) in tensors.items():
        matrix = key.endswith(".weight") and len(shape) == 2
        result[key] = ("F8_E4M3", shape) if matrix else (dtype, shape)
        if matrix and scale:
            result[key.removesuffix("weight") + scale] = ("F32", [])
    return result | ({mark: ("F8_E4M3", [2])} if mark else {})


def packed(tensors: Tensors, kind: str) -> Tensors:
    """Matrices of blocks as bitsandbytes' nf4, NVFP4 and int8 store them."""
    result: Tensors = {}
    for key, (dtype, shape) in tensors.items():
        if not (key.endswith(".weight") and len(shape) == 2 and _BLOCK.search(key)):
            result[key] = (dtype, shape)
            continue
        rows, columns = shape
        stem = key.removesuffix("weight")
        forms: Mapping[str, Tensors] = {
            "nf4": {key: ("U8", [rows * columns // 2, 1]), f"{key}.quant_map": ("F32", [16])},
            "nvfp4": {key: ("U8", [rows, columns // 2]), f"{stem}weight_scale": ("F8_E4M3", [rows, columns // 16])},
            "int8": {key: ("I8", shape), f"{stem}weight_scale": ("F32", [rows, 1])},
        }
        result |= forms[kind]
    return result


def moving_averages(tensors: Tensors) -> Tensors:
    """What a trainer of latent diffusion keeps beside its UNet: names without dots."""
    names = {key: "model_ema.diffusion_model" + key.replace(".", "") for key in tensors}
    averages = {name: tensors[key] for key, name in names.items()}
    return averages | {"model_ema.decay": ("F32", []), "model_ema.num_updates": ("I32", [])}
