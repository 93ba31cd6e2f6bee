"""Headers of real, full-size model files: names, dtypes and shapes, no weights."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sdk import Header, TensorInfo


@cache
def real_files() -> Mapping[str, Mapping[str, Any]]:
    """By kind: ``file`` (a typical name), ``family``, ``vae`` (in words) and ``tensors`` {name: [dtype, shape]}."""
    packed = (Path(__file__).parent / "data" / "real_headers.json.xz").read_bytes()
    content: dict[str, Any] = json.loads(lzma.decompress(packed))
    return content


def real_header(kind: str) -> Header:
    """The header of a file of that kind."""
    record = real_files()[kind]
    return header_of(record["tensors"], name=record["file"])


def header_of(
    tensors: Mapping[str, tuple[str, Any]], metadata: Mapping[str, str] | None = None, name: str = "model.safetensors"
) -> Header:
    """A header with these tensors {name: (dtype, shape)}."""
    infos = {key: TensorInfo(dtype, tuple(shape)) for key, (dtype, shape) in tensors.items()}
    return Header(Path(name), infos, metadata or {})
