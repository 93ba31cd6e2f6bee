"""Several model files seen as one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor  # noqa: TID253 - this module is loaded when models are opened

from host.models.files.packed import Packed
from host.models.files.weights import WeightFile, open_weights
from sdk.models import CONFIG_METADATA, Header


class FilesTogether:
    """Implements ``WeightFile`` over several files: tensors and stated facts of each after its name and a dot.

    Args:
        files: by name; at least one.
        facts: stated in the metadata beside the files' own.
    """

    def __init__(self, files: Mapping[str, WeightFile], facts: Mapping[str, Any]) -> None:
        self._places = {f"{name}.{key}": (file, key) for name, file in files.items() for key in file.header.tensors}
        tensors = {whole: file.header.tensors[key] for whole, (file, key) in self._places.items()}
        headers = [file.header for file in files.values()]
        metadata = {key: text for header in headers for key, text in header.metadata.items()}
        stated = {
            f"{name}.{fact}": value for name, file in files.items() for fact, value in _stated(file.header).items()
        }
        if together := {**stated, **facts}:
            metadata[CONFIG_METADATA] = json.dumps(together, sort_keys=True)
        self._header = Header(headers[0].path, tensors, metadata)

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        file, own = self._places[key]
        return file.tensor(own)

    def maps(self, key: str) -> bool:
        file, own = self._places[key]
        return file.maps(own)

    def packed(self, key: str) -> Packed | None:
        file, own = self._places[key]
        return file.packed(own)

    def prefetch(self, *keys: str) -> None:
        wanted: dict[int, list[str]] = defaultdict(list)
        files = {id(file): file for file, _ in self._places.values()}
        for file, own in map(self._places.__getitem__, keys):
            wanted[id(file)].append(own)
        for number, own_keys in wanted.items():
            files[number].prefetch(*own_keys)

    def release(self, key: str) -> None:
        file, own = self._places[key]
        file.release(own)


def open_together(files: Mapping[str, Path], facts: Mapping[str, Any]) -> FilesTogether:
    """The files at these paths, by name, as one; raises what ``open_weights`` does."""
    return FilesTogether({name: open_weights(path) for name, path in files.items()}, facts)


def _stated(header: Header) -> Mapping[str, Any]:
    """What a file states; nothing where that is no JSON object, about which the families complain."""
    try:
        stated = json.loads(header.metadata.get(CONFIG_METADATA, "{}"))
    except (ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}
