"""One cache entry as one safetensors file.

The result's structure stands as JSON in the file's metadata, beside a digest over structure, tensor table and data.
Any reader of safetensors can open it; nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from host.engine.caching.cache import Stored
from host.engine.caching.disk_values import Encoder, NotStorable, decode_stored
from sdk.whole_files import Buffer

FORMAT = 1
_RESULT, _DIGEST = "comfy_nodes.result", "comfy_nodes.digest"
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000  # the reader's own limit


class CorruptEntry(Exception):
    """A file that is truncated, damaged or no entry of ours."""


@dataclass(frozen=True)
class EntryInfo:
    """What the index needs of a file: whose result it is, what that cost to make, and the file's size."""

    key: bytes
    seconds: float
    size: int


def pack(key: bytes, result: Stored, seconds: float) -> list[Buffer]:
    """The file's content in pieces; raises NotStorable."""
    encoder = Encoder()
    spec = {"format": FORMAT, "key": key.hex(), "seconds": seconds, "result": encoder.stored(result)}
    described = json.dumps(spec, separators=(",", ":"))
    table, data = _save(encoder)
    metadata = {_RESULT: described, _DIGEST: _digest(described, table, data)}
    header = json.dumps({"__metadata__": metadata, **table}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _LENGTH_BYTES)
    if len(header) > _MAX_HEADER_BYTES:
        raise NotStorable("a value with too much text")
    return [len(header).to_bytes(_LENGTH_BYTES, "little"), header, data]


def read_info(path: Path) -> EntryInfo:
    """What the file says of itself, its data unread; raises CorruptEntry and OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        spec, table, _ = _header(file, size)
        end = max((entry["data_offsets"][1] for entry in table.values()), default=0)
        if file.tell() + end != size:
            raise CorruptEntry("its length is not what its header says")
        return _info(spec, size)


def read_entry(path: Path) -> tuple[EntryInfo, Stored]:
    """The file's result, verified; raises CorruptEntry and OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        spec, table, metadata = _header(file, size)
        start = file.tell()
        file.seek(0)
        content = file.read()
    if _digest(metadata[_RESULT], table, memoryview(content)[start:]) != metadata[_DIGEST]:
        raise CorruptEntry("its digest does not match")
    try:
        return _info(spec, size), decode_stored(spec["result"], _load(content, spec["result"], table))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CorruptEntry(f"it can't be decoded ({error!r})") from error


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The result's spec, the table of tensors, and the metadata."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > min(size - _LENGTH_BYTES, _MAX_HEADER_BYTES):
        raise CorruptEntry("it is truncated")
    try:
        table = json.loads(file.read(length))
        metadata = table.pop("__metadata__")
        spec = json.loads(metadata[_RESULT])
        if spec["format"] != FORMAT or not isinstance(metadata[_DIGEST], str):
            raise CorruptEntry(f"its format is {spec['format']!r}")
        for entry in table.values():
            entry["data_offsets"][1].__index__()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CorruptEntry(f"its header can't be read ({error!r})") from error
    return spec, table, metadata


def _info(spec: dict[str, Any], size: int) -> EntryInfo:
    try:
        return EntryInfo(bytes.fromhex(spec["key"]), float(spec["seconds"]), size)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptEntry(f"its key or cost can't be read ({error!r})") from error


def _digest(described: str, table: dict[str, Any], data: Buffer) -> str:
    digest = blake2b(described.encode(errors="surrogatepass"), digest_size=16)
    digest.update(json.dumps(table, sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _save(encoder: Encoder) -> tuple[dict[str, Any], Buffer]:
    """The tensors as safetensors: table and data."""
    if not encoder.torch_tensors and not encoder.numpy_arrays:
        return {}, b""
    import safetensors.numpy

    content = safetensors.numpy.save({name: array.copy(order="C") for name, array in encoder.numpy_arrays.items()})
    if encoder.torch_tensors:
        import safetensors.torch

        # Each a copy of its own: safetensors refuses tensors that share memory.
        copies = {name: _plain(tensor).clone() for name, tensor in encoder.torch_tensors.items()}
        content = safetensors.torch.save({**copies, **safetensors.torch.load(content)})
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    return json.loads(content[_LENGTH_BYTES:start]), memoryview(content)[start:]


def _load(content: bytes, result: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """The tensors by name, each of the library it came from."""
    if not table:
        return {}
    from safetensors import SafetensorError

    torch_names = set(_names(result, "torch"))
    try:
        if not torch_names:
            import safetensors.numpy

            arrays: dict[str, Any] = safetensors.numpy.load(content)
            return arrays
        import safetensors.torch

        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise CorruptEntry(f"its tensors can't be read ({error})") from error
    return {name: tensor if name in torch_names else tensor.numpy() for name, tensor in tensors.items()}


def _names(spec: Any, library: str) -> Iterable[str]:
    """Names of the library's tensors in a spec."""
    if isinstance(spec, list):
        for item in spec:
            yield from _names(item, library)
    elif isinstance(spec, dict):
        for kind, content in spec.items():
            if kind == library and isinstance(content, str):
                yield content
            else:
                yield from _names(content, library)


def _plain(tensor: Any) -> Any:
    return tensor.resolve_conj().resolve_neg().contiguous()
