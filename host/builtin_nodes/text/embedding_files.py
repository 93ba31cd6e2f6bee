"""Textual-inversion embeddings from the model folder ``embeddings``."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass
from posixpath import normpath

from torch import Tensor

from host.builtin_nodes.text.embeddings import EXTENSIONS, load_embedding
from sdk import Folders

_KIND = "embeddings"


@dataclass(frozen=True)
class EmbeddingFiles:
    """Embeddings by the name a prompt calls them: see ``text.clip_tokens.Embeddings``."""

    folders: Folders

    def find(self, name: str) -> str | None:
        """The file of an embedding among those of the folder; None where there is none.

        ``name`` may leave out the extension and the sub-folders that lead to the file.
        """
        files = [file for file in self.folders.names(_KIND) if file.lower().endswith(EXTENSIONS)]
        plain = normpath(name.replace("\\", "/"))
        wanted = [plain + extension for extension in ("", *EXTENSIONS)]
        exact = next((candidate for candidate in wanted if candidate in files), None)
        return exact or next((file for end in wanted for file in files if file.endswith(f"/{end}")), None)

    def load(self, name: str, key: str) -> Tensor | None:
        """An embedding's vectors [count, width] for encoder ``key``; None where no file has the name.

        Raises:
            EmbeddingFileError: the file is there, but holds no vectors.
        """
        file = self.find(name) if name else None
        return None if file is None else load_embedding(self.folders.find(_KIND, file), key)
