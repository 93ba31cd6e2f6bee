"""What switching between models and looking at many files costs.

``python -m benchmarks.residency [--json FILE] [--manifests FOLDER [--all-different]]``. Switching: two models that
both fit are borrowed in turns; bytes read from the disk are the kernel's own count for this process. Files: a thousand
are identified by all built-in families, once more, and as the next process does. They have the header of the shipped
checkpoint, or those of the files that manifests tell of, in turns; all different, each file has its tensors in another
order.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmarks.model_loading import StackFamily, write_checkpoint

MEBIBYTES = 200
FILES = 1000
GOAL_SECONDS = 2.0


def measure_switching(folder: Path) -> dict[str, Any]:
    """A, B and A again: what the second A costs."""
    from host.models.library import Library
    from host.models.manager import ModelManager
    from host.models.residency.devices import CpuDevice

    manager = ModelManager(Library([]), [StackFamily()], [], CpuDevice())
    handles = []
    for name in ("a", "b"):
        write_checkpoint(folder / f"{name}.safetensors", MEBIBYTES, "float32")
        handles.append(manager.open(folder / f"{name}.safetensors")["denoiser"])
    for handle in handles:
        with manager.borrow(handle):
            pass
    before, loads, began = read_bytes(), manager.counters.loads, time.perf_counter()
    with manager.borrow(handles[0]):
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "read_bytes": read_bytes() - before, "loads": manager.counters.loads - loads}


def measure_identifying(folder: Path, manifests: Path | None, *, all_different: bool = False) -> dict[str, Any]:
    """Processor time for all files: the first time, again, and in a process that finds what this one remembered."""
    from host.models.errors import UnknownModel
    from host.models.identity_cache import open_identity_cache
    from host.models.library import Library
    from host.models.opening import ModelFiles

    families = [family for plugin in plugins() for family in plugin.register_model_families()]
    headers = [shipped_header()] if manifests is None else list(read_manifests(manifests, all_different=all_different))
    paths = write_headers(folder, headers)

    def opened() -> ModelFiles:
        return ModelFiles(Library([]), families, identities=open_identity_cache(folder, families))

    files, seconds = opened(), []
    for look in (lambda: files, lambda: files, opened):
        began = time.process_time()
        known = look()
        for path in paths:
            with contextlib.suppress(UnknownModel):
                known.identify(path)
        seconds.append(time.process_time() - began)
    first, again, later = seconds
    counts = {"files": len(paths), "kinds": len(headers)}
    return {**counts, "first_seconds": first, "again_seconds": again, "next_process_seconds": later}


def plugins() -> list[Any]:
    """The built-in plugins that know families of models."""
    found = (entry.load() for entry in entry_points(group="comfy_nodes.packs"))
    return [plugin for plugin in found if hasattr(plugin, "register_model_families")]


def shipped_header() -> tuple[bytes, int]:
    """The header of the shipped checkpoint, and how many bytes follow it."""
    source = next(Path("models/checkpoints").glob("*.safetensors"))
    with source.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
    return header, source.stat().st_size - 8 - len(header)


def read_manifests(folder: Path, *, all_different: bool) -> Iterator[tuple[bytes, int]]:
    """Headers of the files that manifests (JSON with ``keys``: dtype and shape by tensor) tell of.

    All different, there are as many as files, each with its tensors in another order.
    """
    found = [json.loads(gzip.decompress(path.read_bytes()))["keys"] for path in sorted(folder.glob("*.json.gz"))]
    for number, tensors in zip(range(FILES if all_different else len(found)), itertools.cycle(found), strict=False):
        first = number // len(found) % len(tensors)
        names = list(tensors)
        yield header_of({name: tensors[name] for name in names[first:] + names[:first]})


def header_of(tensors: Mapping[str, Any]) -> tuple[bytes, int]:
    """The header of a file with these tensors, one after another, and how many bytes follow it."""
    from host.models.files.header import DTYPE_BITS

    entries, end = {}, 0
    for key, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * DTYPE_BITS[dtype] // 8
        entries[key] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return json.dumps(entries, separators=(",", ":")).encode(), end


def write_headers(folder: Path, headers: Sequence[tuple[bytes, int]]) -> list[Path]:
    """Files with these headers in turn, each followed by as many zeros as it promises, as holes."""
    paths = [folder / f"{number}.safetensors" for number in range(FILES)]
    for path, (header, size) in zip(paths, itertools.cycle(headers), strict=False):
        with path.open("wb") as target:
            target.write(len(header).to_bytes(8, "little") + header)
            target.truncate(8 + len(header) + size)
    return paths


def read_bytes() -> int:
    """Bytes this process has had read from the disk."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--manifests", type=Path, help="a folder of manifests of real files, instead of the shipped one"
    )
    parser.add_argument("--all-different", action="store_true", help="no two files with the same header")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        switching = measure_switching(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        identifying = measure_identifying(Path(folder), options.manifests, all_different=options.all_different)
    print(f"A, B, A: {switching['seconds'] * 1e3:.2f} ms, {switching['read_bytes']} bytes read from disk")
    print(
        f"{identifying['files']} files with {identifying['kinds']} different headers identified in "
        f"{identifying['first_seconds']:.2f} s of processor time (goal {GOAL_SECONDS} s), "
        f"again in {identifying['again_seconds']:.3f} s, in the next process in "
        f"{identifying['next_process_seconds']:.3f} s"
    )
    if options.json:
        figures = {"switching": switching, "identifying": identifying}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
