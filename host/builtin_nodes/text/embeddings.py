"""Textual-inversion embeddings: files of vectors that a prompt calls by name (Gal et al. 2022).

Files come as safetensors, and as torch pickles of which tensors and plain containers alone are read
(``weights_only``). Layouts: a tensor under any key (``emb_params``, a concept's name), one tensor for each encoder
(``clip_l``, ``clip_g``, ``t5xxl``; diffusers' scripts write ``text_encoders_0``, ``text_encoders_1``, ``t5``),
``{"string_to_param": {"*": tensor}}``, a list of such dictionaries, a bare tensor.
"""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

import logging
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from host.builtin_nodes.text.errors import EmbeddingFileError

logger = logging.getLogger(__name__)

EXTENSIONS = (".safetensors", ".pt", ".bin")
_OTHER_NAMES = {"clip_l": ("text_encoders_0",), "clip_g": ("text_encoders_1",), "t5xxl": ("t5",)}
# What unpickling hostile or broken bytes can raise, short of a fault in torch itself.
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError, MemoryError),
    *(pickle.UnpicklingError, SafetensorError, struct.error, zipfile.BadZipFile),
)


def load_embedding(path: Path, key: str) -> Tensor:
    """A file's vectors [count, width] for encoder ``key`` (``clip_l``, ``clip_g`` ...), in the file's dtype.

    A file with one tensor serves every encoder; whether its width fits is for the encoder to say.

    Raises:
        EmbeddingFileError: unreadable, or without a tensor of numbers.
    """
    try:
        content = _read(path)
    except _UNREADABLE as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise EmbeddingFileError(path, f"it can't be read ({first_line})") from error
    tensors = [t for t in _tensors(content, key) if t.ndim > 0 and t.numel() > 0 and t.is_floating_point()]
    if not tensors:
        raise EmbeddingFileError(path, f"it holds no vectors for {key}")
    if any(t.nbytes > t.untyped_storage().nbytes() for t in tensors):
        raise EmbeddingFileError(path, "it holds fewer numbers than it claims")
    vectors = [t.detach().reshape(-1, t.shape[-1]) for t in tensors]
    if len({v.shape[-1] for v in vectors}) > 1:
        raise EmbeddingFileError(path, "its vectors differ in width")
    return checked_finite(path, torch.cat(vectors))


def checked_finite(path: Path, vectors: Tensor) -> Tensor:
    """The vectors; raises EmbeddingFileError where a number is none."""
    if not torch.isfinite(vectors.float()).all():
        raise EmbeddingFileError(path, "some of its numbers are not finite, so the training that made it went wrong")
    return vectors


def _read(path: Path) -> Any:
    if path.suffix.lower() == ".safetensors":
        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                raise ValueError("it is compressed, which torch's own files never are")
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: Any, key: str) -> list[Tensor]:
    """The tensors for an encoder, wherever the layout keeps them."""
    if isinstance(content, Tensor):
        return [content]
    if isinstance(content, list | tuple):
        return [tensor for entry in content for tensor in _tensors(entry, key)]
    if not isinstance(content, Mapping):
        return []
    for name in ("string_to_param", key, *_OTHER_NAMES.get(key, ())):
        if name in content:
            return _tensors(content[name], key)
    return next(([value] for value in content.values() if isinstance(value, Tensor)), [])
