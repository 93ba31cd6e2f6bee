"""What loading a checkpoint of Stable Diffusion 1.5's size costs, each way in processes of its own.

``python -m benchmarks.checkpoint [--json FILE] [--dtype float32|float16] [--rounds N]``. The file holds UNet, text
encoder and autoencoder in the original layout, with random weights. The peers are ``safetensors.torch.load_file``,
which maps the file and makes no module, and diffusers' ``from_single_file`` for the UNet alone, with its configuration
in a folder beside it, so that nothing is asked of a network; where the package accelerate is there, it maps the file,
too. Neither has read anything when it is done, so that what counts is the second figure: until a number of each page
has been looked at. Each way is measured with the file in the system's cache (warm), and after it was dropped from
there, so that it comes from the disk (cold). Ways take turns in being first; each figure is the least of its rounds.
Peak memory is the most that the process held, less what it held before.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.model_loading import PAGE, THREADS, in_mib, resident_bytes
from benchmarks.residency import read_bytes
from benchmarks.unet import build

FILE = "checkpoint.safetensors"
LAYERS = 2
PEAK_ALLOWANCE = 300 * 2**20
GOALS = {"warm": {"load_file": 1.2, "from_single_file": 0.2}, "cold": {"load_file": 1.2, "from_single_file": 1.2}}
"""Our time until all has been looked at, against each peer's."""


def write_checkpoint(folder: Path, dtype: str) -> None:
    """Random weights by their original names, and the UNet's configuration beside them."""
    import torch
    from safetensors.torch import save_file

    from tools.tiny_model.layout import original_layout

    torch.manual_seed(0)
    unet = build()
    modules = (unet, build_vae(), build_text_encoder())
    state = original_layout(*(module.state_dict() for module in modules))
    unet.register_to_config(layers_per_block=LAYERS)  # ``from_single_file`` wants one number
    unet.save_config(folder / "unet")
    save_file({name: tensor.to(getattr(torch, dtype)) for name, tensor in state.items()}, folder / FILE)


def build_vae() -> Any:
    """Stable Diffusion 1.5's autoencoder."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=LAYERS,
        latent_channels=4,
    )


def build_text_encoder() -> Any:
    """Stable Diffusion 1.5's text encoder, whose dimensions are CLIP-L's."""
    from host.builtin_nodes.text.clip_model import clip_config, clip_text_model

    return clip_text_model(clip_config(vocabulary=49408, width=768, mlp=3072, layers=12, heads=12, positions=77))


def load_ours(path: Path) -> Callable[[], tuple[Any, Iterable[Any]]]:
    from host.builtin_nodes.families.sd1 import adapters  # noqa: F401 - as the modules' imports
    from host.builtin_nodes.families.sd1.plugin import register_model_families
    from host.models.library import Library
    from host.models.manager import ModelManager
    from host.models.residency.devices import CpuDevice

    for build_part in (build, build_vae, build_text_encoder):
        build_part()  # what it imports is not measured, here and for the peers

    def load() -> tuple[Any, Iterable[Any]]:
        manager = ModelManager(Library([]), list(register_model_families()), [], CpuDevice())
        modules, weights = [], []
        for handle in manager.open(path).values():
            with manager.borrow(handle) as module:
                modules.append(module)
                weights.append(manager.weights(handle))
        return (manager, modules), (part[name] for part in weights for name in part.shapes)

    return load


def load_tensors(path: Path) -> Callable[[], tuple[Any, Iterable[Any]]]:
    from safetensors.torch import load_file

    def load() -> tuple[Any, Iterable[Any]]:
        tensors = load_file(path)
        return tensors, tensors.values()

    return load


def load_with_diffusers(path: Path) -> Callable[[], tuple[Any, Iterable[Any]]]:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    def load() -> tuple[Any, Iterable[Any]]:
        unet = UNet2DConditionModel.from_single_file(str(path), config=str(path.parent), subfolder="unet")
        return unet, unet.parameters()

    return load


WAYS = {"model manager": load_ours, "load_file": load_tensors, "from_single_file": load_with_diffusers}


def measure(way: str, path: Path, state: str) -> dict[str, Any]:
    """Loads in this process; call it once per process, since the peak never falls."""
    import torch

    torch.set_num_threads(THREADS)
    load = WAYS[way](path)
    if state == "cold":
        drop_from_cache(path)  # only now, since a virtual machine gives memory back that is free for some seconds
    before, read_before = resident_bytes("VmRSS"), read_bytes()
    began, spent = time.perf_counter(), time.process_time()
    kept, weights = load()
    ready = time.perf_counter() - began, time.process_time() - spent
    with torch.inference_mode():
        for weight in weights:
            weight.reshape(-1)[:: PAGE // weight.element_size()].sum()
    read = time.perf_counter() - began, time.process_time() - spent
    del kept
    return {
        "peak_bytes": resident_bytes("VmHWM") - before,
        "disk_bytes": read_bytes() - read_before,
        **dict(zip(("ready_seconds", "ready_cpu_seconds"), ready, strict=True)),
        **dict(zip(("read_seconds", "read_cpu_seconds"), read, strict=True)),
    }


def in_turn(ways: list[str], turn: int) -> list[str]:
    """The ways, each first once: what one leaves in memory makes the next one slower or faster."""
    first = turn % len(ways)
    return ways[first:] + ways[:first]


def least(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The least of each figure."""
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "FILE", "STATE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_checkpoint(options.write, options.dtype)
        return
    if options.measure:
        way, file, state = options.measure
        print(json.dumps(measure(way, Path(file), state)))
        return
    with tempfile.TemporaryDirectory() as folder:
        in_subprocess("--write", folder, "--dtype", options.dtype)  # so that the memory for it is given back
        path = Path(folder) / FILE
        size = path.stat().st_size
        runs: dict[str, dict[str, list[dict[str, Any]]]] = {state: {way: [] for way in WAYS} for state in GOALS}
        for turn in range(options.rounds):
            for state, taken in runs.items():
                for way in in_turn(list(taken), turn):
                    taken[way].append(json.loads(in_subprocess("--measure", way, str(path), state)))
    rows = {state: {way: least(figures) for way, figures in ways.items()} for state, ways in runs.items()}
    print(f"file {in_mib(size)}   accelerate {'is' if importlib.util.find_spec('accelerate') else 'is not'} there")
    for state, ways in rows.items():
        print_rows(state, ways, size)
    if options.json:
        figures = {"file_bytes": size, "ways": rows, "accelerate": bool(importlib.util.find_spec("accelerate"))}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if options.dtype == "float32" and rows["warm"]["model manager"]["peak_bytes"] - size > PEAK_ALLOWANCE:
        sys.exit("loading a checkpoint takes more than its size and 300 MiB")


def print_rows(state: str, rows: Mapping[str, Mapping[str, Any]], size: int) -> None:
    for way, row in rows.items():
        print(
            f"{state} {way:17} ready {row['ready_seconds']:6.3f} s ({row['ready_cpu_seconds']:6.3f} s of processors)   "
            f"looked at {row['read_seconds']:6.3f} s ({row['read_cpu_seconds']:6.3f} s)   "
            f"from disk {in_mib(row['disk_bytes'])}   peak - file {in_mib(row['peak_bytes'] - size)}"
        )
    for way, goal in GOALS[state].items():
        ratio = rows["model manager"]["read_seconds"] / rows[way]["read_seconds"]
        print(f"{state}: our time until all has been looked at: {ratio:.2f} of {way}'s (goal {goal})")


def drop_from_cache(path: Path) -> None:
    """Have the system forget a file's pages, so that the next reader reads the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_subprocess(*arguments: str) -> bytes:
    """What this program prints when it is given other arguments."""
    command = [sys.executable, "-m", "benchmarks.checkpoint", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
