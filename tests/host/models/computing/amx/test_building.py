from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from host.models.computing.amx import building
from host.models.computing.amx.building import FEATURES, load_kernels
from host.models.errors import KernelsUnavailable


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    load_kernels.cache_clear()
    yield
    load_kernels.cache_clear()


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(FEATURES, True))


def compiler(folder: Path, script: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_cpu_without_tile_units_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})

    with pytest.raises(KernelsUnavailable, match="the CPU lacks amx_tile, amx_bf16, avx512_bw, avx512_bf16"):
        load_kernels(tmp_path)


@pytest.mark.usefixtures("able")
def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(KernelsUnavailable, match="install g\\+\\+"):
        load_kernels(tmp_path / "compiled")


@pytest.mark.usefixtures("able")
def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, "echo In file included from here >&2; echo error: no AMX >&2; exit 1"))

    with pytest.raises(KernelsUnavailable, match="says: error: no AMX"):
        load_kernels(tmp_path / "compiled")

    assert list((tmp_path / "compiled").iterdir()) == []


@pytest.mark.usefixtures("able")
def test_what_is_no_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, 'for last; do true; done; echo no library > "$last"'))

    with pytest.raises(KernelsUnavailable, match="amx-"):
        load_kernels(tmp_path / "compiled")


@pytest.mark.usefixtures("able")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(KernelsUnavailable, match="file"):
        load_kernels(tmp_path / "file" / "compiled")


@pytest.mark.usefixtures("kernels")
def test_what_is_compiled_serves_later_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_kernels(tmp_path)
    load_kernels.cache_clear()
    monkeypatch.setattr(building.subprocess, "run", lambda *_, **__: pytest.fail("it compiles again"))

    assert load_kernels(tmp_path).permit_tiles()
    assert [path.suffix for path in tmp_path.iterdir()] == [".so"]
