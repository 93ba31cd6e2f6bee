"""Numbers that a file keeps beside its weights, for facts that a header can't tell."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdk.models import Header
from sdk.pickle_remnants import PLACEHOLDERS, REMNANTS_LOCK

logger = logging.getLogger(__name__)

_MOST_NUMBERS = 100_000
_SAFETENSORS = (".safetensors", ".sft")
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


def small_tensor(header: Header, key: str) -> Tensor | None:
    """A tensor of a model file, float32; None where the file lacks it, or can't be read in this way.

    Reads nothing but this tensor, and never more than 100,000 numbers.
    """
    info = header.tensors.get(key)
    if info is None or not header.path.is_file():
        return None
    try:
        tensor = _read(header.path, key)
    except (OSError, RuntimeError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
        logger.warning("%s: can't read its tensor %s (%s)", header.path, key, error)
        return None
    return None if tensor is None or tensor.numel() > _MOST_NUMBERS else tensor.detach().float()


def _read(path: Path, key: str) -> Tensor | None:
    suffix = path.suffix.lower()
    if suffix in _SAFETENSORS:
        with safe_open(path, framework="pt") as file:
            found: Tensor = file.get_tensor(key)
            return found.clone()
    if suffix in _PICKLES:
        content = _content(path)
        tensors = content.get("state_dict", content) if isinstance(content, dict) else {}
        tensor = tensors.get(key) if isinstance(tensors, dict) else None
        return tensor if isinstance(tensor, Tensor) else None
    return _read_gguf(path, key) if suffix == ".gguf" else None


def _read_gguf(path: Path, key: str) -> Tensor | None:
    """The tensor where it is stored number by number, as vectors are."""
    import gguf

    found = (tensor.data for tensor in gguf.GGUFReader(path).tensors if tensor.name == key)
    numbers = next((data for data in found if data.dtype.kind == "f"), None)
    return None if numbers is None else torch.from_numpy(numbers.copy())


def _content(path: Path) -> Any:
    """What a pickle holds, trainers' own objects replaced."""
    with REMNANTS_LOCK, torch.serialization.safe_globals(list(PLACEHOLDERS)):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
