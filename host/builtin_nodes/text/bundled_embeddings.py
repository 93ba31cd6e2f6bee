"""Embeddings that a LoRA brings along, as OneTrainer writes them: ``bundle_emb.<name>.<encoder>``.

For Stable Diffusion 1 and 2 the key ends in ``string_to_param.*`` instead, for T5 in ``t5``. What ends in ``_out`` was
trained to be added to the text encoder's states, which no prompt can ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from host.builtin_nodes.text.errors import EmbeddingFileError
from sdk import Folders, ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

    from host.builtin_nodes.text.clip_tokens import Embeddings

BUNDLED_EMBEDDINGS = "bundled_embeddings"
"""The text encoder's option with embeddings: vectors by the embedding's name and the encoder's key."""

Bundle = Mapping[str, Mapping[str, "Tensor"]]

_KEY = re.compile(r"bundle_emb\.(?P<name>.+?)\.(?P<encoder>string_to_param\.\*|[^.]+)(?<!_out)")
_ENCODERS = {"string_to_param.*": "*", "t5": "t5xxl"}
_ANY = "*"


def bundled_name(key: str) -> str | None:
    """The name by which prompts call the embedding under a LoRA's key; None for another key."""
    found = _KEY.fullmatch(key)
    return found and found["name"]


def read_bundle(path: Path, keys: Iterable[str]) -> Bundle:
    """The embeddings of a file, of those of its keys that ``bundled_name`` knows.

    Raises:
        EmbeddingFileError: it is no safetensors file, or a tensor is no list of vectors of finite numbers.
    """
    from safetensors import SafetensorError, safe_open

    bundle: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as file:
            for found in filter(None, map(_KEY.fullmatch, keys)):
                encoder = _ENCODERS.get(found["encoder"], found["encoder"])
                bundle.setdefault(found["name"], {})[encoder] = _vectors(path, file.get_tensor(found[0]))
    except SafetensorError as error:
        raise EmbeddingFileError(path, f"embeddings in it are read from safetensors alone ({error})") from error
    return bundle


def with_bundle(clip: ModelHandle, bundle: Bundle) -> ModelHandle:
    """The text encoder whose prompts know these embeddings, too; of two of one name, the later one."""
    known: Bundle = clip.options.get(BUNDLED_EMBEDDINGS, {})
    return clip.with_options(**{BUNDLED_EMBEDDINGS: {**known, **bundle}})


def embeddings_for(clip: ModelHandle, folders: Folders) -> Embeddings:
    """What ``embedding:name`` finds in prompts for a text encoder: what LoRAs brought it, then the folder's files."""
    from host.builtin_nodes.text.embedding_files import EmbeddingFiles

    files, bundle = EmbeddingFiles(folders), clip.options.get(BUNDLED_EMBEDDINGS)
    return _Bundled(bundle, files) if bundle else files


@dataclass(frozen=True)
class _Bundled:
    bundle: Bundle
    files: Embeddings

    def load(self, name: str, key: str) -> Tensor | None:
        """An embedding's vectors [count, width] for encoder ``key``; None where nothing has the name."""
        if name not in self.bundle:
            return self.files.load(name, key)
        vectors = self.bundle[name]
        return vectors.get(key, vectors.get(_ANY))


def _vectors(path: Path, tensor: Tensor) -> Tensor:
    from host.builtin_nodes.text.embeddings import checked_finite

    if tensor.ndim == 0 or not tensor.numel() or not tensor.is_floating_point():
        raise EmbeddingFileError(path, f"an embedding in it has shape {list(tensor.shape)} and dtype {tensor.dtype}")
    return checked_finite(path, tensor.reshape(-1, tensor.shape[-1]))
