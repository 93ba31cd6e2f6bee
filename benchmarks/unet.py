"""What a step of a UNet of Stable Diffusion 1.5's size costs on the CPU, against the same plain diffusers module.

``python -m benchmarks.unet [--json FILE] [--sizes 256 512] [--dtype float32|float16] [--threads N]``. Weights are
random. The peer is diffusers' module with weights of its own, as ``load_state_dict`` leaves them. For the time, both
stand in one process and compute in turns, once their weights have settled, so that whatever else the machine does
meets both; ratios are medians over pairs. CPU seconds are those of all threads. For the memory, each has a process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.model_loading import in_mib, resident_bytes

BATCH = 2
LATENT = 8
"""Pixels of the image for one of the latent."""
SETTLING = 3
"""Passes after which our weights have the form that they keep."""
PAIRS = 3
GOAL = 1.35


def config() -> Any:
    """Stable Diffusion 1.5's UNet."""
    from host.builtin_nodes.families.ldm_unet.config import UnetConfig

    return UnetConfig(
        in_channels=4,
        out_channels=4,
        channels=[320, 640, 1280, 1280],
        down_depths=[[1, 1], [1, 1], [1, 1], [0, 0]],
        up_depths=[[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]],
        middle_depth=1,
        context_channels=768,
        heads=[8, 8, 8, 8],
        model_channels=320,
        time_channels=1280,
        linear_projections=False,
    )


def build() -> Any:
    from host.builtin_nodes.families.ldm_unet.module import build_unet

    return build_unet(config())


class UnetFamily:
    """Knows files that hold that UNet by diffusers' names."""

    name = "unet"

    def identify(self, header: Any) -> Any:
        from sdk.models import Identity

        return Identity(family=self.name, kind="denoiser", config={}, because="benchmark")

    def parts(self, header: Any, identity: Any) -> Sequence[Any]:
        from sdk.models import Part, TensorSource

        weights = {key: TensorSource(key) for key in header.tensors}
        layers = {key.removesuffix(".weight"): key for key in weights if key.endswith(".weight")}
        return [Part(name="denoiser", build=build, weights=weights, patch_names=lambda: layers)]


def write_checkpoint(path: Path, dtype: str) -> None:
    """Random weights that keep activations of their size."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    unet = build()
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    save_file({name: tensor.to(getattr(torch, dtype)) for name, tensor in unet.state_dict().items()}, path)


def manage(path: Path, patch_formats: Sequence[Any] = ()) -> Any:
    """A model manager that knows the UNet."""
    from host.models.devices import CpuDevice
    from host.models.library import Library
    from host.models.manager import ModelManager

    return ModelManager(Library([]), [UnetFamily()], patch_formats, CpuDevice())


@contextmanager
def ours(path: Path) -> Iterator[Any]:
    manager = manage(path)
    with manager.borrow(manager.open(path)["denoiser"]) as module:
        yield module


@contextmanager
def peer(path: Path) -> Iterator[Any]:
    """Reading all tensors, making the module, copying the one into the other in float32."""
    from safetensors.torch import load_file

    module = build()
    module.load_state_dict(load_file(path))
    yield module


WAYS: dict[str, Callable[[Path], Any]] = {"plain diffusers": peer, "model manager": ours}


def compute(module: Any, size: int) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds and output of a step on fixed input."""
    import torch

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH, 4, size // LATENT, size // LATENT, generator=generator)
    context = torch.randn(BATCH, 77, 768, generator=generator)
    began, began_cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        output = module(x, torch.tensor([500.0] * BATCH), encoder_hidden_states=context, return_dict=False)[0]
    return time.perf_counter() - began, time.process_time() - began_cpu, output


def measure_time(path: Path, size: int) -> dict[str, Any]:
    """Both ways in this process, in turns."""
    with peer(path) as plain, ours(path) as managed:
        first = [compute(managed, size)[0] for _ in range(SETTLING)]
        compute(plain, size)
        pairs = [(compute(plain, size), compute(managed, size)) for _ in range(PAIRS)]
    expected, output = pairs[0][0][2], pairs[0][1][2]
    return {
        "size": size,
        "plain_seconds": statistics.median(plain[0] for plain, _ in pairs),
        "managed_seconds": statistics.median(managed[0] for _, managed in pairs),
        "ratio": statistics.median(plain[0] / managed[0] for plain, managed in pairs),
        "cpu_ratio": statistics.median(plain[1] / managed[1] for plain, managed in pairs),
        "first_passes": first,
        "relative_difference": ((output - expected).abs().max() / expected.abs().max()).item(),
    }


def measure_memory(way: str, path: Path, size: int) -> dict[str, Any]:
    """One way in this process; call it once per process, since the peak never falls."""
    import torch

    with torch.device("meta"):
        build()  # what importing the libraries costs is nobody's weight
    before = resident_bytes("VmRSS")
    with WAYS[way](path) as module:
        for _ in range(SETTLING + 1):
            compute(module, size)
        return {"peak_bytes": resident_bytes("VmHWM") - before, "private_bytes": resident_bytes("RssAnon")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="of the file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "FILE", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        way, path, size = options.measure
        print(json.dumps(in_this_process(way, Path(path), int(size), options.threads)))
        return
    figures: dict[str, Any] = {"stored": options.dtype, "threads": options.threads}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unet.safetensors"
        write_checkpoint(path, options.dtype)
        figures["file_bytes"] = path.stat().st_size
        figures["time"] = [in_subprocess("both", path, size, options.threads) for size in options.sizes]
        small = min(options.sizes)
        figures["memory"] = {way: in_subprocess(way, path, small, options.threads) for way in WAYS}
    print_tables(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def in_subprocess(way: str, path: Path, size: int, threads: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.unet", "--threads", str(threads), "--measure", way, str(path)]
    return json.loads(subprocess.run([*command, str(size)], check=True, capture_output=True).stdout)


def in_this_process(way: str, path: Path, size: int, threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    return measure_time(path, size) if way == "both" else measure_memory(way, path, size)


def print_tables(figures: dict[str, Any]) -> None:
    """A line for each size, and one for each way's memory."""
    for row in figures["time"]:
        print(
            f"{row['size']}x{row['size']}   plain diffusers {row['plain_seconds']:6.2f} s/step   model manager "
            f"{row['managed_seconds']:6.2f} s/step   {row['ratio']:.2f}x (CPU seconds {row['cpu_ratio']:.2f}x; goal "
            f"{GOAL}x)   off by {row['relative_difference']:.1e}   first "
            f"{', '.join(f'{seconds:.1f}' for seconds in row['first_passes'])} s"
        )
    for way, row in figures["memory"].items():
        print(f"{way:16} file {in_mib(figures['file_bytes'])}   peak {in_mib(row['peak_bytes'])}", end="   ")
        print(f"not of a file {in_mib(row['private_bytes'])}")


if __name__ == "__main__":
    main()
