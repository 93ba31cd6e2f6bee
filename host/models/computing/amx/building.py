"""Compiles the kernels for the machine's CPU, once, and loads them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch  # noqa: TID253 - this module is loaded when weights are

from host.models.errors import KernelsUnavailable

SOURCES = Path(__file__).parent

EXTENSIONS = ("-mavx512f", "-mavx512bw", "-mavx512bf16", "-mamx-tile", "-mamx-bf16")

FLAGS = ("-O3", "-shared", "-fPIC", "-fopenmp", *EXTENSIONS)

FEATURES = ("amx_tile", "amx_bf16", "avx512_f", "avx512_bw", "avx512_bf16")
"""What the CPU must be capable of, by the names of ``torch.cpu.get_capabilities``."""

_SECONDS = 120


@cache
def load_kernels(folder: Path | None) -> ctypes.CDLL:
    """The kernels, compiled into a folder unless they are there; None for one that ends with the process.

    Raises KernelsUnavailable where the CPU has no tile units, or there is no C++ compiler that knows them.
    """
    able = torch.cpu.get_capabilities()
    if missing := [feature for feature in FEATURES if not able.get(feature)]:
        raise KernelsUnavailable(f"the CPU lacks {', '.join(missing)}")
    if folder is not None:
        return _permitted(_compiled(folder))
    with tempfile.TemporaryDirectory() as passing:
        return _permitted(_compiled(Path(passing)))


def _permitted(library: Path) -> ctypes.CDLL:
    try:
        kernels = ctypes.CDLL(str(library))
    except OSError as error:
        raise KernelsUnavailable(str(error)) from error
    if not kernels.permit_tiles():
        raise KernelsUnavailable("the system keeps the CPU's tile units from programs")
    return kernels


def _compiled(folder: Path) -> Path:
    """The library's path. Compilers that run at once each put a whole one there."""
    compiler = _compiler()
    units, headers = sorted(SOURCES.glob("*.cpp")), sorted(SOURCES.glob("*.h"))
    recipe = "\0".join([compiler, *FLAGS, *(file.read_text("utf-8") for file in (*units, *headers))])
    library = folder / f"amx-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as workshop:
            fresh = Path(workshop) / library.name
            command = [compiler, *FLAGS, *map(str, units), "-o", str(fresh)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
            if done.returncode:
                raise KernelsUnavailable(f"{compiler} says: {_first_error(done.stderr)}")
            fresh.replace(library)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelsUnavailable(str(error)) from error
    return library


def _compiler() -> str:
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and (found := shutil.which(name)):
            return found
    raise KernelsUnavailable("there is no C++ compiler; install g++")


def _first_error(output: str) -> str:
    lines = output.strip().splitlines() or ["nothing"]
    return next((line for line in lines if "error" in line), lines[0])
