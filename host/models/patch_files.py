"""LoRA-like files: their tensors, and what a trainer wrote beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from host.models.errors import MalformedFile, ModelFileError
from host.models.files.weights import LazyTensors, open_weights

ADAPTER_CONFIG = "adapter_config.json"
"""The file in which PEFT says beside the tensors what their shapes don't tell."""


class PatchFile(LazyTensors):
    """A LoRA-like file's tensors by key, each read when it is looked up.

    Args:
        path: of the file.
        content: identifies its bytes.

    Raises:
        ModelFileError: it, or the configuration beside it, can't be read.
    """

    def __init__(self, path: Path, content: str) -> None:
        super().__init__(open_weights(path))
        self._config_path = path.parent / ADAPTER_CONFIG
        self._config = _bytes_of(self._config_path)
        self._name, self._content = path.name, content

    @property
    def key(self) -> str:
        """Identifies the file's name, for messages, its content, and the configuration's."""
        config = f"+{hashlib.sha256(self._config).hexdigest()[:8]}" if self._config else ""
        return f"{self._name} ({self._content}{config})"

    @cached_property
    def adapter_config(self) -> Mapping[str, Any]:
        """What PEFT wrote into ``adapter_config.json`` in the same folder; empty without that file.

        Raises:
            MalformedFile: it is no JSON object.
        """
        try:
            found = json.loads(self._config or b"{}")
        except ValueError as error:
            raise MalformedFile(self._config_path, f"it is no JSON ({error})") from error
        if not isinstance(found, dict):
            raise MalformedFile(self._config_path, "it holds no JSON object")
        return found


def _bytes_of(path: Path) -> bytes:
    """The file's bytes; none where it isn't there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ModelFileError(path, f"can't be read ({error})") from error
