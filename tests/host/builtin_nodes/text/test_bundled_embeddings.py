"""Embeddings in a LoRA's file: what keys mean, and what prompts find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.text.bundled_embeddings import bundled_name, embeddings_for, read_bundle, with_bundle
from host.builtin_nodes.text.errors import EmbeddingFileError
from sdk.models import Identity, ModelHandle
from sdk.testing import FakeContext

L, G = torch.ones(2, 4), torch.full((1, 6), 2.0)


def clip() -> ModelHandle:
    identity = Identity(family="test", kind="checkpoint", config={}, because="test")
    return ModelHandle(key="clip", part="text_encoder", identity=identity, adapter=None)


def written(path: Path, tensors: dict[str, Tensor]) -> Any:
    save_file(tensors, path)
    return read_bundle(path, tensors)


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    """A context with an embedding ``ink`` in its folder."""
    folder = tmp_path / "models" / "embeddings"
    folder.mkdir(parents=True)
    save_file({"emb_params": torch.zeros(1, 4)}, folder / "ink.safetensors")
    return FakeContext(root=tmp_path)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("bundle_emb.cat.clip_l", "cat"),
        ("bundle_emb.<my cat>.clip_g", "<my cat>"),
        ("bundle_emb.v1.5.t5", "v1.5"),
        ("bundle_emb.cat.string_to_param.*", "cat"),
        ("bundle_emb.cat.clip_l_out", None),
        ("bundle_emb.cat.string_to_param.*_out", None),
        ("bundle_emb.cat", None),
        ("lora_te1_bundle_emb.cat.clip_l", None),
    ],
)
def test_keys_tell_what_prompts_call_an_embedding(key: str, name: str | None) -> None:
    assert bundled_name(key) == name


def test_each_encoder_finds_its_vectors_and_files_are_found_as_ever(context: FakeContext, tmp_path: Path) -> None:
    tensors = {
        "bundle_emb.cat.clip_l": L,
        "bundle_emb.cat.clip_g": G,
        "bundle_emb.cat.t5": torch.full((3, 8), 3.0),
        "bundle_emb.cat.clip_l_out": 4 * L,
        "lora_unet_out.alpha": torch.tensor(1.0),
    }
    found = embeddings_for(with_bundle(clip(), written(tmp_path / "lora.safetensors", tensors)), context.folders)

    for encoder, key in (("clip_l", "clip_l"), ("clip_g", "clip_g"), ("t5xxl", "t5")):
        vectors = found.load("cat", encoder)
        assert vectors is not None
        assert torch.equal(vectors, tensors[f"bundle_emb.cat.{key}"])
    assert found.load("cat", "clip_h") is None
    assert found.load("ink", "clip_l") is not None
    assert embeddings_for(clip(), context.folders).load("cat", "clip_l") is None


def test_what_is_for_no_encoder_by_name_is_for_each(context: FakeContext, tmp_path: Path) -> None:
    bundle = written(tmp_path / "lora.safetensors", {"bundle_emb.cat.string_to_param.*": L[0]})
    vectors = embeddings_for(with_bundle(clip(), bundle), context.folders).load("cat", "clip_l")

    assert vectors is not None
    assert torch.equal(vectors, L[:1])


def test_a_lora_s_embedding_goes_before_a_file_s_and_a_later_lora_s_before_an_earlier_one_s(
    context: FakeContext, tmp_path: Path
) -> None:
    first = written(tmp_path / "a.safetensors", {"bundle_emb.ink.clip_l": L, "bundle_emb.oil.clip_l": 3 * L})
    second = written(tmp_path / "b.safetensors", {"bundle_emb.ink.clip_l": 2 * L})
    found = embeddings_for(with_bundle(with_bundle(clip(), first), second), context.folders)
    ink, oil = found.load("ink", "clip_l"), found.load("oil", "clip_l")

    assert ink is not None
    assert oil is not None
    assert torch.equal(ink, 2 * L)
    assert torch.equal(oil, 3 * L)


def test_other_files_than_safetensors_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"bundle_emb.cat.clip_l": L}, tmp_path / "lora.pt")
    with pytest.raises(EmbeddingFileError, match=r"lora\.pt: embeddings in it are read from safetensors alone"):
        read_bundle(tmp_path / "lora.pt", ["bundle_emb.cat.clip_l"])


@pytest.mark.parametrize("tensor", [torch.ones(2, 4, dtype=torch.int64), torch.tensor(1.0), torch.ones(0, 4)])
def test_what_are_no_vectors_is_refused(tensor: Tensor, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFileError, match=re.escape(f"shape {list(tensor.shape)}")):
        written(tmp_path / "lora.safetensors", {"bundle_emb.cat.clip_l": tensor})


def test_vectors_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFileError, match="not finite"):
        written(tmp_path / "lora.safetensors", {"bundle_emb.cat.clip_l": torch.tensor([[0.5, float("nan")]])})
