"""What switching between models and looking at many files costs.

``python -m benchmarks.residency [--json FILE]``. Switching: two models that both fit are borrowed in turns; bytes read
from the disk are the kernel's own count for this process. Files: a thousand small checkpoints of the shipped family
are identified, and once more afterwards.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.model_loading import StackFamily, write_checkpoint

MEBIBYTES = 200
FILES = 1000
GOAL_SECONDS = 2.0


def measure_switching(folder: Path) -> dict[str, Any]:
    """A, B and A again: what the second A costs."""
    from host.models.devices import CpuDevice
    from host.models.library import Library
    from host.models.manager import ModelManager

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


def measure_identifying(folder: Path) -> dict[str, Any]:
    """Seconds for all files, the first time and again, by one process."""
    from host.builtin_nodes.families.sd1.plugin import register_model_families
    from host.models.library import Library
    from host.models.opening import ModelFiles

    paths = write_headers(folder)
    files = ModelFiles(Library([]), list(register_model_families()))
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        for path in paths:
            files.identify(path)
        seconds.append(time.perf_counter() - began)
    return {"files": len(paths), "first_seconds": seconds[0], "again_seconds": seconds[1]}


def write_headers(folder: Path) -> list[Path]:
    """Copies of the shipped checkpoint's header, each followed by as many zeros as it promises, as holes."""
    source = next(Path("models/checkpoints").glob("*.safetensors"))
    with source.open("rb") as file:
        length = int.from_bytes(start := file.read(8), "little")
        header = start + file.read(length)
    paths = [folder / f"{number}.safetensors" for number in range(FILES)]
    for path in paths:
        with path.open("wb") as target:
            target.write(header)
            target.truncate(source.stat().st_size)
    return paths


def read_bytes() -> int:
    """Bytes this process has had read from the disk."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        switching, identifying = measure_switching(Path(folder)), measure_identifying(Path(folder))
    print(f"A, B, A: {switching['seconds'] * 1e3:.2f} ms, {switching['read_bytes']} bytes read from disk")
    print(
        f"{identifying['files']} files identified in {identifying['first_seconds']:.2f} s (goal {GOAL_SECONDS} s), "
        f"again in {identifying['again_seconds']:.3f} s"
    )
    if options.json:
        figures = {"switching": switching, "identifying": identifying}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
