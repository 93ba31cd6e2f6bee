"""Reads torch's own files, whose pickles may hold tensors and plain values and nothing that runs code."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.errors import MalformedFile, UnsafeFile
from host.models.files.header import regular_file_size, unreadable
from host.models.files.packed import Packed
from sdk.models import Header, TensorInfo
from sdk.pickle_remnants import PLACEHOLDERS, REMNANTS_LOCK

PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")

_ZIP_MAGIC = b"PK\x03\x04"
_DEPTH_LIMIT = 16
_DTYPE_NAMES: Mapping[torch.dtype, str] = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.uint16: "U16",
    torch.int32: "I32", torch.uint32: "U32", torch.int64: "I64", torch.uint64: "U64", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip

# What the unpickler and torch's reader raise on bytes that are no such file; anything may stand in a hostile one.
_READ_FAULTS = (
    RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, ImportError, OSError,
    MemoryError, ArithmeticError, AssertionError, struct.error,
)  # fmt: skip


class PickledFile:
    """A ``.ckpt``, ``.pt``, ``.pth`` or ``.bin`` file: mapped, unless it is of the old format that can't be.

    Keys are those of the state dict; dicts inside dicts are joined with ``/``, but a ``state_dict`` (or a dict that is
    the only entry) is taken for the whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tensors: dict[str, Tensor] = {}
        self._mapped = _mappable(path)
        tensors = _read(path)
        infos = {key: TensorInfo(_DTYPE_NAMES[tensor.dtype], tuple(tensor.shape)) for key, tensor in tensors.items()}
        self._header = Header(path, infos)

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        if key not in self._tensors:
            self._tensors = _read(self._path)
        return self._tensors[key]

    def maps(self, key: str) -> bool:
        return self._mapped

    def packed(self, key: str) -> Packed | None:
        """None: tensors are stored as they are."""
        return None

    def prefetch(self, *keys: str) -> None:
        """Nothing: torch has mapped the file and keeps the mapping to itself."""

    def release(self, key: str) -> None:
        self._tensors.pop(key, None)


def _mappable(path: Path) -> bool:
    regular_file_size(path)
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError as error:
        raise unreadable(path, error) from error


def _refuse_compressed(path: Path) -> None:
    """A few bytes could become any number of them; torch itself never packs what it writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = next((item for item in archive.infolist() if item.compress_type != zipfile.ZIP_STORED), None)
    except (zipfile.BadZipFile, *_READ_FAULTS) as error:
        raise MalformedFile(path, f"is not a file torch can read ({_first_line(error)})") from error
    if packed is not None:
        raise MalformedFile(path, f"is an archive with a compressed entry, {packed.filename!r:.80}")


def _refused(error: pickle.UnpicklingError) -> str:
    """What the pickle asked for; torch's own message goes on to advise loading it unsafely, which we never pass on."""
    found = re.search(r"(?:GLOBAL|[Uu]nsupported (?:global|class)[: ]+(?:GLOBAL )?)\s*`?([\w.]+)", str(error))
    return f"it asks for {found[1]}" if found else "it holds more than tensors and plain values"


def _read(path: Path) -> dict[str, Tensor]:
    mappable = _mappable(path)
    if mappable:
        _refuse_compressed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols; what matters is raised
            content = _content(path, mappable)
    except pickle.UnpicklingError as error:
        raise UnsafeFile(path, f"is no pickle of tensors alone: {_refused(error)}") from error
    except _READ_FAULTS as error:
        raise MalformedFile(path, f"is not a file torch can read ({_first_line(error)})") from error
    tensors = dict(_tensors(_state_dict(content), "", 0))
    if not tensors:
        raise MalformedFile(path, "holds no tensors")
    for key, tensor in tensors.items():
        if tensor.dtype not in _DTYPE_NAMES or tensor.layout is not torch.strided or tensor.is_quantized:
            raise MalformedFile(path, f"holds {key!r}, a {tensor.dtype} tensor of layout {tensor.layout}")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise MalformedFile(path, f"holds {key!r} of shape {list(tensor.shape)}, but not as many numbers")
    return tensors


def _content(path: Path, mappable: bool) -> Any:
    """What the pickle holds, trainers' own objects replaced; raises UnpicklingError for others."""

    def load() -> Any:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mappable)

    try:
        return load()
    except pickle.UnpicklingError:
        with REMNANTS_LOCK, torch.serialization.safe_globals(list(PLACEHOLDERS)):
            return load()


def _state_dict(content: Any) -> Any:
    if not isinstance(content, Mapping):
        return {"": content}
    nested = content.get("state_dict", next(iter(content.values())) if len(content) == 1 else None)
    return nested if isinstance(nested, Mapping) else content


def _tensors(content: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value.detach()
        elif isinstance(value, Mapping) and depth < _DEPTH_LIMIT:
            yield from _tensors(value, f"{prefix}{name}/", depth + 1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
