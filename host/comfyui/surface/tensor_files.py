"""Tensors of a file that remember which one, so that the host can read them itself where a pack hands them back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import ref

from sdk.context import NodeContext
from sdk.whole_files import write_whole_file


class LoadedTensors(dict[str, Any]):
    """A file's tensors by name.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, tensors: Mapping[str, Any]) -> None:
        super().__init__(tensors)
        self.path = path
        # Not by its address, which a later tensor may get; nor by itself, so that what a pack drops is freed.
        self._read = {name: (ref(tensor), tensor._version) for name, tensor in tensors.items()}

    @property
    def unchanged(self) -> bool:
        """Whether they are still those of the file, and nobody has written to one of them."""
        return self.keys() == self._read.keys() and all(
            seen() is self[name] and self[name]._version == version for name, (seen, version) in self._read.items()
        )


def file_of(tensors: Mapping[str, Any], context: NodeContext) -> Path:
    """The file that tensors come from; where they were changed or made, one in the temporary folder with them.

    The same tensors are the same file, so that what was made with them is not made again.
    """
    if isinstance(tensors, LoadedTensors) and tensors.unchanged:
        return tensors.path
    from safetensors.torch import save

    folder = context.folders.place("tensors", root="temp").folder
    content = save(_apart({name: tensors[name] for name in sorted(tensors) if hasattr(tensors[name], "cpu")}))
    path = folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
    if not path.exists():
        write_whole_file(path, [content])
    return path


def _apart(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors in main memory; those in the same place as another are copied, since no file may have them so."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        place = here.untyped_storage().data_ptr()
        apart[name] = here.clone() if place in seen else here
        seen.add(place)
    return apart
