from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.builtin_nodes.text.embedding_files import EmbeddingFiles

NAMES = ["ink.safetensors", "ink.txt", "style/deep/oil.pt", "style/wash.bin", "wash.pt"]


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, kind: str) -> Sequence[str]:
        assert kind == "embeddings"
        return NAMES

    def find(self, kind: str, name: str) -> Path:
        return self.root / name


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ink", "ink.safetensors"),
        ("ink.safetensors", "ink.safetensors"),
        ("oil", "style/deep/oil.pt"),
        ("deep/oil", "style/deep/oil.pt"),
        ("style\\wash", "style/wash.bin"),
        ("wash", "wash.pt"),
        ("il", None),
        ("ink.txt", None),
        ("./ink", "ink.safetensors"),
        ("style/../ink", "ink.safetensors"),
        ("../ink", None),
        ("/ink", None),
    ],
)
def test_names_may_leave_out_folders_and_extensions(tmp_path: Path, asked: str, found: str | None) -> None:
    assert EmbeddingFiles(Folder(tmp_path)).find(asked) == found  # type: ignore[arg-type]


def test_vectors_come_from_the_file_found(tmp_path: Path) -> None:
    vectors = torch.rand(2, 8)
    save_file({"emb_params": vectors}, tmp_path / "ink.safetensors")
    files = EmbeddingFiles(Folder(tmp_path))  # type: ignore[arg-type]
    found = files.load("ink", "clip_l")
    assert found is not None
    torch.testing.assert_close(found, vectors)
    assert files.load("none", "clip_l") is None
    assert files.load("", "clip_l") is None
