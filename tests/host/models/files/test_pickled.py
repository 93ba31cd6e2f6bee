from __future__ import annotations

import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host.models.errors import MalformedFile, ModelFileError, UnsafeFile
from host.models.files.header import read_header
from host.models.files.weights import open_weights


class Exploit:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_reads_like_any_model_file(suffix: str, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save({"state_dict": OrderedDict(a=torch.ones(2)), "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    file = open_weights(path)
    assert read_header(path).tensors["a"].dtype == "F32"
    assert file.tensor("a").tolist() == [1, 1]
    file.release("a")
    assert file.tensor("a").tolist() == [1, 1]


@pytest.fixture
def callback(monkeypatch: pytest.MonkeyPatch) -> type:
    """The class whose name trainers of Stable Diffusion left in their checkpoints."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module, kind = ModuleType(name), type("ModelCheckpoint", (), {"__module__": name})
    module.ModelCheckpoint = kind  # type: ignore[attr-defined]
    for place in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, place, module)
    return kind


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_trainer_left_beside_the_weights_is_passed_over(
    zipped: bool, callback: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {callback: {"best": numpy.float64(0.1), "callback": callback()}}
    content = {"state_dict": {"a": torch.ones(2)}, "callbacks": left, "global_step": numpy.int64(3)}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    monkeypatch.setitem(sys.modules, callback.__module__, None)  # it can't be imported any more
    let_in = set(torch.serialization.get_safe_globals())

    assert open_weights(tmp_path / "a.ckpt").tensor("a").tolist() == [1, 1]
    assert set(torch.serialization.get_safe_globals()) == let_in


def test_what_is_passed_over_does_not_let_anything_else_in(callback: type, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"a": torch.ones(2), "b": callback(), "c": Exploit(f"touch {trace}")}, tmp_path / "a.ckpt")
    with pytest.raises(UnsafeFile, match=r"asks for posix\.system"):
        open_weights(tmp_path / "a.ckpt")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ({"a": torch.ones(2), "step": 3}, ["a"]),
        ({"params_ema": {"a": torch.ones(2)}}, ["a"]),
        ({"string_to_param": {"*": torch.ones(2)}, "name": "x", "step": 1}, ["string_to_param/*"]),
        (torch.ones(2), [""]),
    ],
)
def test_nested_dicts_become_paths_and_a_single_one_is_the_whole(content: Any, keys: list[str], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert list(read_header(tmp_path / "a.pt").tensors) == keys


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "a.ckpt", tmp_path / "trace"
    content = {"a": torch.ones(2), "b": Exploit(f"touch {trace}")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFile, match="convert the file to safetensors"):
        open_weights(path)
    assert not trace.exists()


def test_a_plain_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    path, trace = tmp_path / "a.bin", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Exploit(f"touch {trace}"), protocol=2))
    with pytest.raises(ModelFileError):
        open_weights(path)
    assert not trace.exists()


def test_a_pickle_named_safetensors_is_never_unpickled(tmp_path: Path) -> None:
    path, trace = tmp_path / "a.safetensors", tmp_path / "trace"
    torch.save(Exploit(f"touch {trace}"), path)
    with pytest.raises(MalformedFile):
        open_weights(path)
    assert not trace.exists()


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "a.pt")
    with pytest.raises(MalformedFile, match="no tensors"):
        open_weights(tmp_path / "a.pt")


def test_a_sparse_tensor_is_refused_by_name(tmp_path: Path) -> None:
    with torch.sparse.check_sparse_tensor_invariants():
        torch.save({"a": torch.ones(2), "s": torch.eye(2).to_sparse_coo()}, tmp_path / "a.pt")
        with pytest.raises(MalformedFile, match="'s'"):
            open_weights(tmp_path / "a.pt")


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(200)}, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "cut.pt").write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            open_weights(tmp_path / "cut.pt")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x80\x02" + tail))
def test_random_bytes_are_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        open_weights(path)


def test_a_tensor_that_claims_more_numbers_than_it_has_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "huge": torch.ones(1).expand(10**12)}, tmp_path / "a.pt")
    with pytest.raises(MalformedFile, match="'huge'"):
        open_weights(tmp_path / "a.pt")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1024)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as plain, zipfile.ZipFile(tmp_path / "b.pt", "w") as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(MalformedFile, match="compressed entry"):
        open_weights(tmp_path / "b.pt")


def test_a_refused_pickle_is_never_answered_with_advice_to_load_it_unsafely(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pt"
    path.write_bytes(pickle.dumps({"a": print}, protocol=2))
    with pytest.raises(UnsafeFile) as caught:
        read_header(path)
    assert "asks for" in str(caught.value)
    assert "weights_only" not in str(caught.value)
