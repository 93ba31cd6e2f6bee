from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import MalformedFile, OtherFormat, UnsafeFile
from host.models.files.header import read_header
from host.models.files.other_formats import other_format

PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4265146304\n"
OTHERS = {
    PAGE: "is a web page. The site may want you to sign in",
    b"\xef\xbb\xbf<html>" + b"x" * 100: "is a web page",
    POINTER: "is a pointer of Git LFS to the model, not the model itself. Fetch it with `git lfs pull`",
    b'{"error":"Unauthorized","message":"login required"}': "is text, such as a site's message",
    b'{\n  "model_type": "clip"\n}': "is text, such as a site's message or a configuration",
    b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + b"\0" * 100: "is an ONNX model",
    b"\0" * 1000: "begins with nothing but zeros. Its download was broken off",
}


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".gguf"])
@pytest.mark.parametrize("content", OTHERS, ids=lambda content: OTHERS[content].partition(".")[0])
def test_what_is_no_model_is_told_by_its_first_bytes(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(OtherFormat) as caught:
        read_header(path)
    assert OTHERS[content] in str(caught.value)


def test_a_model_of_another_format_is_to_be_renamed(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(4)}
    save_file(tensors, tmp_path / "one.ckpt")
    torch.save(tensors, tmp_path / "two.safetensors")
    torch.save(tensors, tmp_path / "three.sft", _use_new_zipfile_serialization=False)
    (tmp_path / "four.safetensors").write_bytes(b"GGUF\3\0\0\0" + b"\0" * 100)
    suffixes = {
        "one.ckpt": ".safetensors",
        "two.safetensors": ".ckpt",
        "three.sft": ".ckpt",
        "four.safetensors": ".gguf",
    }
    for name, suffix in suffixes.items():
        with pytest.raises(OtherFormat, match=f"rename it to end in {suffix}|Rename it to end in {suffix}"):
            read_header(tmp_path / name)


def test_a_damaged_file_of_the_format_its_suffix_names_is_only_damaged(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(400)}, tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(400)}, tmp_path / "a.ckpt")
    (tmp_path / "a.gguf").write_bytes(b"GGUF\3\0\0\0" + b"\xff" * 100)
    for name in ("a.safetensors", "a.ckpt", "a.gguf"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises((MalformedFile, UnsafeFile)) as caught:
            read_header(path)
        assert not isinstance(caught.value, OtherFormat)


@pytest.mark.parametrize("content", [b"", b"abc", b"hello world" * 10, b"\x08\x07"])
def test_of_other_bytes_nothing_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert other_format(path) is None


def test_of_a_file_that_is_gone_nothing_is_said(tmp_path: Path) -> None:
    assert other_format(tmp_path / "gone.safetensors") is None
