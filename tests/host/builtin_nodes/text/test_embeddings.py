"""Textual-inversion files and the search for them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from host.builtin_nodes.text.embeddings import load_embedding
from host.builtin_nodes.text.errors import EmbeddingFileError

THREE = torch.arange(12.0).reshape(3, 4)


def safetensors_file(path: Path, **tensors: torch.Tensor) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def pickled_file(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        THREE,
        {"emb_params": THREE},
        {"string_to_param": {"*": THREE}, "name": "x", "step": 5},
        {"clip_g": torch.zeros(1, 8), "clip_l": THREE},
        [{"a": THREE[:1]}, {"a": THREE[1:]}],
    ],
    ids=["bare", "one key", "string_to_param", "one key for each encoder", "list"],
)
def test_every_pickled_layout_gives_its_vectors(tmp_path: Path, content: Any) -> None:
    assert load_embedding(pickled_file(tmp_path / "x.pt", content), "clip_l").equal(THREE)


def test_a_safetensors_file_gives_each_encoder_its_own_vectors(tmp_path: Path) -> None:
    path = safetensors_file(tmp_path / "x.safetensors", clip_g=torch.zeros(2, 8), clip_l=THREE)

    assert load_embedding(path, "clip_l").equal(THREE)
    assert load_embedding(path, "clip_g").shape == (2, 8)


def test_encoders_have_the_names_of_diffusers_scripts_too(tmp_path: Path) -> None:
    older = safetensors_file(tmp_path / "a.safetensors", text_encoders_0=THREE, text_encoders_1=torch.zeros(2, 8))
    newer = safetensors_file(tmp_path / "b.safetensors", clip_l=THREE, t5=torch.zeros(2, 16))

    assert load_embedding(older, "clip_l").equal(THREE)
    assert load_embedding(older, "clip_g").shape == (2, 8)
    assert load_embedding(newer, "t5xxl").shape == (2, 16)


def test_a_flat_tensor_is_one_vector(tmp_path: Path) -> None:
    assert load_embedding(safetensors_file(tmp_path / "x.safetensors", v=THREE[0]), "clip_l").shape == (1, 4)


class Hostile:
    """Unpickled without care, it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "created"
    path = pickled_file(tmp_path / "x.pt", {"a": Hostile(target)})

    with pytest.raises(EmbeddingFileError, match=r"x\.pt"):
        load_embedding(path, "clip_l")
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.safetensors", b""),
        ("x.safetensors", struct.pack("<Q", 10**13) + b"{}"),
        ("x.safetensors", struct.pack("<Q", 2) + b"[]"),
        ("x.pt", b""),
        ("x.pt", b"PK\x03\x04 cut off"),
        ("x.bin", b"\x80\x02garbage"),
        ("x.bin", pickle.dumps({"name": "no tensor"}, protocol=2)),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(EmbeddingFileError, match=name):
        load_embedding(path, "clip_l")


@pytest.mark.parametrize(
    "content",
    [
        {"name": "x"},
        {},
        [],
        {"a": torch.tensor(1.0)},
        {"a": torch.zeros(0, 4)},
        {"a": torch.ones(3, dtype=torch.int64)},
    ],
    ids=["no tensor", "empty", "empty list", "scalar", "no vectors", "integers"],
)
def test_a_file_without_vectors_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(EmbeddingFileError, match="no vectors for clip_l"):
        load_embedding(pickled_file(tmp_path / "x.pt", content), "clip_l")


def test_vectors_that_are_not_all_there_are_refused(tmp_path: Path) -> None:
    path = pickled_file(tmp_path / "x.pt", {"a": torch.ones(1, 4).expand(10**9, 4)})

    with pytest.raises(EmbeddingFileError, match="fewer numbers"):
        load_embedding(path, "clip_l")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", bytes(1000), compress_type=zipfile.ZIP_DEFLATED)

    with pytest.raises(EmbeddingFileError, match="compressed"):
        load_embedding(tmp_path / "x.pt", "clip_l")


def test_a_suffix_in_capitals_is_the_same_format(tmp_path: Path) -> None:
    save_file({"emb_params": torch.ones(2, 4)}, tmp_path / "X.SAFETENSORS")
    assert load_embedding(tmp_path / "X.SAFETENSORS", "clip_l").shape == (2, 4)


def test_vectors_of_different_widths_are_refused(tmp_path: Path) -> None:
    path = pickled_file(tmp_path / "x.pt", [{"a": torch.ones(1, 4)}, {"a": torch.ones(1, 8)}])

    with pytest.raises(EmbeddingFileError, match="differ in width"):
        load_embedding(path, "clip_l")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_vectors_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    save_file({"emb_params": torch.tensor([[0.5, value]])}, tmp_path / "broken.safetensors")
    with pytest.raises(EmbeddingFileError, match="not finite"):
        load_embedding(tmp_path / "broken.safetensors", "clip_l")
