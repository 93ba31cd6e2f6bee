"""What changing a LoRA's strength costs on a UNet of Stable Diffusion 1.5's size, against fusing and unfusing.

``python -m benchmarks.patches [--compile] [--json FILE] [--threads N]``. The LoRA has rank 16 on every linear layer of
the attention blocks. The peer is diffusers' ``unfuse_lora`` and ``fuse_lora`` where the package peft is there; else
their arithmetic alone: subtract the old difference from every weight and add the new one, in place. Beside them stands
a copy: of every touched weight, by torch, from the file's pages into memory that is there. All stand in one process and
work in turns; figures are medians. CPU seconds are those of all threads, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.unet import manage, plain_unet, write_checkpoint

RANK = 16
CHANGES = 5
GOAL_SECONDS = 0.4


def write_lora(path: Path, checkpoint: Path) -> dict[str, tuple[Any, Any]]:
    """Writes a LoRA for the attention layers; returns (up, down) by weight name."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    torch.manual_seed(2)
    factors, content = {}, {}
    with safe_open(checkpoint, "pt") as file:
        for key in file.keys():  # noqa: SIM118 - it is no mapping
            shape = file.get_slice(key).get_shape()
            if ".attn" in key and key.endswith(".weight") and len(shape) == 2:
                up, down = torch.randn(shape[0], RANK) * 0.01, torch.randn(RANK, shape[1]) * 0.01
                factors[key] = up, down
                layer = key.removesuffix(".weight")
                content |= {f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down}
    save_file(content, path)
    return factors


def measure(checkpoint: Path, lora: Path, threads: int, **settings: Any) -> dict[str, Any]:
    """Seconds of every change, ours and the peer's, of copying as much, and the bytes ours wrote."""
    import torch

    from host.builtin_nodes.lora.plugin import register_patch_formats

    torch.set_num_threads(threads)
    factors = write_lora(lora, checkpoint)
    manager = manage(checkpoint, register_patch_formats(), **settings)
    handle = manager.open(checkpoint)["denoiser"]
    (patch,) = manager.read_patches(lora, [handle])
    assert len(patch.deltas) == len(factors), "the LoRA fits the UNet"
    rows = []
    plain = plain_unet(checkpoint)
    touched = sum(plain.get_parameter(name).nbytes for name in factors)
    ways = {
        "ours": managed_change(manager, handle, patch),
        "peer": PEERS[name_of_peer()](plain, factors),
        "copy": copying(checkpoint, list(factors)),
    }
    for turn in range(CHANGES + 1):
        before = manager.counters
        row: dict[str, Any] = {way: timed(change, 0.5 + turn / 10) for way, change in ways.items()}
        written = manager.counters.bytes_patched - before.bytes_patched
        moved = manager.counters.bytes_loaded - before.bytes_loaded
        rows.append({**row, "written": written, "loaded": moved})
    rows = rows[1:]  # the first one also places the model
    return {
        "threads": threads,
        "peer": name_of_peer(),
        **figures(rows),
        "touched_bytes": touched,
        "written_bytes": max(row["written"] for row in rows),
        "loaded_bytes": max(row["loaded"] for row in rows),
        "layers": len(factors),
    }


Change = Callable[[float], None]
"""Sets the LoRA's strength."""


def timed(change: Change, strength: float) -> tuple[float, float]:
    """(seconds, CPU seconds of all threads) that a change takes."""
    began, busy = time.perf_counter(), time.process_time()
    change(strength)
    return time.perf_counter() - began, time.process_time() - busy


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Medians by the clock and of CPU time, and how often ours is done while the peer's is once."""
    found: dict[str, float] = {}
    for number, kind in enumerate(("seconds", "cpu_seconds")):
        for way, prefix in (("ours", ""), ("peer", "peer_"), ("copy", "copy_")):
            found[prefix + kind] = statistics.median(row[way][number] for row in rows)
    for number, kind in enumerate(("ratio", "cpu_ratio")):
        found[kind] = statistics.median(row["peer"][number] / row["ours"][number] for row in rows)
    return found


def managed_change(manager: Any, handle: Any, patch: Any) -> Change:
    """Borrowing the model with that strength."""

    def change(strength: float) -> None:
        with manager.borrow(handle.with_patches(patch, strength)):
            pass

    return change


def copying(checkpoint: Path, names: Sequence[str]) -> Change:
    """What takes the file's weights into memory that is there, whatever the strength."""
    import torch
    from safetensors import safe_open

    with safe_open(checkpoint, "pt") as file:
        pairs = [(weight := file.get_tensor(name), torch.zeros_like(weight)) for name in names]

    def change(strength: float) -> None:
        for weight, own in pairs:
            own.copy_(weight)

    return change


def name_of_peer() -> str:
    """Diffusers itself where it can fuse."""
    return "diffusers" if importlib.util.find_spec("peft") else "arithmetic"


def diffusers_change(module: Any, factors: Mapping[str, tuple[Any, Any]]) -> Change:
    """What sets the strength in diffusers' way, the LoRA being loaded."""
    state = {}
    for key, (up, down) in factors.items():
        layer = key.removesuffix(".weight")
        state |= {f"{layer}.lora_B.weight": up, f"{layer}.lora_A.weight": down}
    module.load_lora_adapter(state, prefix=None)
    module.fuse_lora(lora_scale=0.4)

    def change(strength: float) -> None:
        module.unfuse_lora()
        module.fuse_lora(lora_scale=strength)

    return change


def arithmetic_change(module: Any, factors: Mapping[str, tuple[Any, Any]]) -> Change:
    """The same on the weights themselves."""
    import torch

    weights = dict(module.named_parameters())

    def change(strength: float) -> None:
        with torch.no_grad():
            for name, (up, down) in factors.items():
                weights[name] -= (strength - 0.1) * (up @ down)
                weights[name] += strength * (up @ down)

    return change


PEERS = {"diffusers": diffusers_change, "arithmetic": arithmetic_change}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true", help="add by kernels for this CPU, where it has tile units")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "unet.safetensors"
        write_checkpoint(checkpoint, "float32")
        settings = {"compile": True, "compiled": Path(folder) / "compiled"} if options.compile else {}
        row = measure(checkpoint, Path(folder) / "lora.safetensors", options.threads, **settings)
    print(
        f"strength of {row['layers']} layers changed in {row['seconds']:.3f} s (goal {GOAL_SECONDS} s)   unfuse + fuse "
        f"({row['peer']}) {row['peer_seconds']:.3f} s ({row['ratio']:.1f}x)   copying {row['copy_seconds']:.3f} s\n"
        f"CPU {row['cpu_seconds']:.3f} s   unfuse + fuse {row['peer_cpu_seconds']:.3f} s ({row['cpu_ratio']:.1f}x)   "
        f"copying {row['copy_cpu_seconds']:.3f} s\n"
        f"written {row['written_bytes'] / 2**20:.0f} MiB of {row['touched_bytes'] / 2**20:.0f} MiB touched   "
        f"loaded {row['loaded_bytes']} bytes"
    )
    if options.json:
        options.json.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
