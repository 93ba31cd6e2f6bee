"""Tensors of a file that remember which one, so that the host can read them itself where a pack hands them back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdk.context import NodeContext


class LoadedTensors(dict[str, Any]):
    """A file's tensors by name.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, tensors: Mapping[str, Any]) -> None:
        super().__init__(tensors)
        self.path = path
        self._read = {name: id(tensor) for name, tensor in tensors.items()}

    @property
    def unchanged(self) -> bool:
        """Whether they are still those of the file."""
        return self._read == {name: id(tensor) for name, tensor in self.items()}


def file_of(tensors: Mapping[str, Any], context: NodeContext) -> Path:
    """The file that tensors come from; where they were changed or made, one in the temporary folder with them."""
    if isinstance(tensors, LoadedTensors) and tensors.unchanged:
        return tensors.path
    from safetensors.torch import save_file

    folder = context.folders.place("tensors", root="temp").folder
    path = folder / f"{secrets.token_hex(8)}.safetensors"
    save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items() if hasattr(tensor, "cpu")}, path)
    return path
