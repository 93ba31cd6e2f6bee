"""Tensors of model files as views of the mapped file: nothing is read before it is used, nothing is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.errors import MalformedFile, ModelFileError, UnsafeFile
from host.models.files.header import (
    GGUF_SUFFIX,
    SAFETENSORS_SUFFIXES,
    Layout,
    is_shard_index,
    read_layout,
    read_shard_index,
)
from host.models.files.mapped_bytes import MappedBytes
from host.models.files.other_formats import other_format
from host.models.files.packed import Packed
from sdk.models import Header

TORCH_DTYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "U16": torch.uint16,
    "I32": torch.int32, "U32": torch.uint32, "I64": torch.int64, "U64": torch.uint64, "F16": torch.float16,
    "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}  # fmt: skip


class WeightFile(Protocol):
    """A model file whose tensors can be had one by one."""

    @property
    def header(self) -> Header: ...

    def tensor(self, key: str) -> Tensor:
        """The file's tensor, as a view of the file where ``maps`` says so; never to be written to."""

    def maps(self, key: str) -> bool:
        """Whether the tensor is a view of the mapped file rather than a copy."""

    def packed(self, key: str) -> Packed | None:
        """Views of the mapped file from which the tensor is computed, where it is; it may be had from them later."""

    def prefetch(self, *keys: str) -> None:
        """Read the bytes of tensors now, in one go, because all of them are about to be used."""

    def release(self, key: str) -> None:
        """Let go of the memory through which a tensor was read; it stays usable and is read again when it is."""


class MappedFile:
    """A safetensors file; see ``MappedBytes`` for what may be done to the file meanwhile."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._bytes = MappedBytes(layout.header.path, max((end for _, end in layout.spans.values()), default=0))

    @property
    def header(self) -> Header:
        return self._layout.header

    def tensor(self, key: str) -> Tensor:
        dtype, shape = stored_as(self.header, key), self.header.tensors[key].shape
        start, end = self._layout.spans[key]
        if start == end:
            return torch.empty(shape, dtype=dtype)
        raw = self._bytes.view(start, end)
        return (raw if self.maps(key) else raw.clone()).view(dtype).view(shape)

    def maps(self, key: str) -> bool:
        """Not where the tensor is unaligned, as in files of early writers, which didn't pad the header."""
        return self._layout.spans[key][0] % stored_as(self.header, key).itemsize == 0

    def packed(self, key: str) -> Packed | None:
        """None: tensors are stored as they are."""
        return None

    def prefetch(self, *keys: str) -> None:
        self._bytes.prefetch(self._layout.spans[key] for key in keys)

    def release(self, key: str) -> None:
        self._bytes.release(*self._layout.spans[key])


class ShardedFile:
    """Several files that make one model, listed in an index."""

    def __init__(self, path: Path) -> None:
        shards = read_shard_index(path)
        files = {name: MappedFile(read_layout(path.parent / name)) for name in sorted(set(shards.values()))}
        for key, name in shards.items():
            if key not in files[name].header.tensors:
                raise MalformedFile(path, f"puts tensor {key!r} into {name!r}, which doesn't have it")
        self._files = {key: files[name] for key, name in shards.items()}
        metadata = {key: text for file in files.values() for key, text in file.header.metadata.items()}
        self._header = Header(path, {key: file.header.tensors[key] for key, file in self._files.items()}, metadata)

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        return self._files[key].tensor(key)

    def maps(self, key: str) -> bool:
        return self._files[key].maps(key)

    def packed(self, key: str) -> Packed | None:
        return self._files[key].packed(key)

    def prefetch(self, *keys: str) -> None:
        for file in dict.fromkeys(self._files[key] for key in keys):
            file.prefetch(*(key for key in keys if self._files[key] is file))

    def release(self, key: str) -> None:
        self._files[key].release(key)


class LazyTensors(Mapping[str, Tensor]):
    """A file's tensors by key, each read when it is looked up."""

    def __init__(self, file: WeightFile) -> None:
        self._file = file

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._file.header.tensors:
            raise KeyError(key)
        return self._file.tensor(key)

    def __contains__(self, key: object) -> bool:
        return key in self._file.header.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.header.tensors)

    def __len__(self) -> int:
        return len(self._file.header.tensors)


def stored_as(header: Header, key: str) -> torch.dtype:
    """The dtype in which a file stores a tensor; ModelFileError for one that torch doesn't have."""
    name = header.tensors[key].dtype
    if name not in TORCH_DTYPES:
        raise ModelFileError(header.path, f"tensor {key!r} has the dtype {name}, which torch can't hold")
    return TORCH_DTYPES[name]


def open_weights(path: Path) -> WeightFile:
    """The model file at a path, by its suffix; reads its header.

    Raises MalformedFile, UnsafeFile, or ModelFileError for a suffix that no model has.
    """
    from host.models.files.recast import with_scales_applied

    name = path.name.lower()
    if is_shard_index(name):
        return with_scales_applied(ShardedFile(path))
    if name.endswith(SAFETENSORS_SUFFIXES):
        return with_scales_applied(MappedFile(read_layout(path)))
    reader = _reader(name)
    if reader is None:
        raise ModelFileError(path, f"has the suffix {path.suffix!r}, by which no model file is known")
    try:
        return reader(path)
    except (MalformedFile, UnsafeFile) as error:
        raise other_format(path) or error from error


def _reader(name: str) -> Callable[[Path], WeightFile] | None:
    if name.endswith(GGUF_SUFFIX):
        from host.models.files.gguf_file import GgufFile

        return GgufFile
    from host.models.files.pickled import PICKLE_SUFFIXES, PickledFile

    return PickledFile if name.endswith(PICKLE_SUFFIXES) else None
