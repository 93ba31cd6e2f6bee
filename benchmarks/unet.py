"""What a step of a UNet of Stable Diffusion 1.5's size costs on the CPU, against the same plain diffusers module.

``python -m benchmarks.unet [--compile] [--json FILE] [--sizes 256 512] [--dtype float32|float16] [--threads N]``.
Weights are random. The peer is diffusers' module with weights of its own, as ``load_state_dict`` leaves them. Each way
has a process of its own, with its own allocator and its own peak of memory. The processes stand ready side by side and
compute in turns, so that whatever else the machine does meets all of them; ratios are medians over rounds. CPU seconds
are those of all threads.
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
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from benchmarks.model_loading import in_mib, resident_bytes

BATCH = 2
LATENT = 8
"""Pixels of the image for one of the latent."""
SETTLING = 3
"""Steps after which weights have the form that they keep."""
ROUNDS = 3
GOAL = 1.35
COMPILED_GOAL = 1.7


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


def manage(path: Path, patch_formats: Sequence[Any] = (), **settings: Any) -> Any:
    """A model manager that knows the UNet."""
    from host.models.library import Library
    from host.models.manager import ModelManager
    from host.models.residency.devices import ModelSettings, open_device

    return ModelManager(Library([]), [UnetFamily()], patch_formats, open_device("cpu"), ModelSettings(**settings))


Step = Callable[[Any, Any, Any], Any]
"""Computes the UNet's output from a latent, timesteps and a context."""


@contextmanager
def ours(path: Path, **settings: Any) -> Iterator[Step]:
    """As sampling does it: the model manager's module, called by its family's function."""
    from host.builtin_nodes.families.ldm_unet.denoiser import run_unet

    manager = manage(path, **settings)
    with manager.borrow(manager.open(path)["denoiser"]) as module:
        yield lambda x, timestep, context: run_unet(module, x, timestep, context)


@contextmanager
def compiled(path: Path) -> Iterator[Step]:
    """The same with ``--compile``."""
    with ours(path, compile=True, compiled=path.parent / "compiled") as step:
        yield step


def plain_unet(path: Path) -> Any:
    """Reading all tensors, making the module, copying the one into the other in float32."""
    from safetensors.torch import load_file

    module = build()
    module.load_state_dict(load_file(path))
    return module


@contextmanager
def peer(path: Path) -> Iterator[Step]:
    module = plain_unet(path)
    yield lambda x, timestep, context: module(x, timestep, encoder_hidden_states=context, return_dict=False)[0]


PEER, OURS, COMPILED = "plain diffusers", "model manager", "with --compile"
WAYS: dict[str, Callable[[Path], AbstractContextManager[Step]]] = {PEER: peer, OURS: ours, COMPILED: compiled}


def work(way: str, path: Path, size: int) -> None:
    """Stand ready: each line read is a file for a step's output, each line written what the step took."""
    import torch

    with torch.device("meta"):
        build()  # what importing the libraries costs is nobody's weight
    before = resident_bytes("VmRSS")
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH, 4, size // LATENT, size // LATENT, generator=generator)
    context = torch.randn(BATCH, 77, 768, generator=generator)
    with WAYS[way](path) as step, torch.no_grad():
        for line in sys.stdin:
            began, began_cpu = time.perf_counter(), time.process_time()
            output = step(x, torch.tensor([500.0] * BATCH), context)
            took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - began_cpu}
            if line.strip():
                torch.save(output.contiguous(), line.strip())
            took |= {"peak_bytes": resident_bytes("VmHWM") - before, "private_bytes": resident_bytes("RssAnon")}
            print(json.dumps(took), flush=True)


class Worker:
    """One way in a process of its own."""

    def __init__(self, way: str, path: Path, size: int, threads: int) -> None:
        self.way, self._output = way, path.parent / f"{way}.pt"
        command = [sys.executable, "-m", "benchmarks.unet", "--threads", str(threads), "--work", way, str(path)]
        self._process = subprocess.Popen([*command, str(size)], stdin=PIPE, stdout=PIPE, text=True)

    def step(self, *, save: bool = False) -> dict[str, Any]:
        """What a step took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._output if save else ''}\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def output(self) -> Any:
        """What the step gave that was saved."""
        import torch

        return torch.load(self._output)

    def end(self) -> None:
        self._process.communicate()


def measure(ways: Sequence[str], path: Path, size: int, threads: int) -> dict[str, Any]:
    """Every way at one size: settled one after the other, then in turns."""
    workers = [Worker(way, path, size, threads) for way in ways]
    first = {worker.way: [worker.step(save=True)["seconds"] for _ in range(SETTLING)] for worker in workers}
    rounds = [{worker.way: worker.step() for worker in workers} for _ in range(ROUNDS)]
    expected = workers[0].output()
    for worker in workers:
        worker.end()
    return {
        "size": size,
        "ways": {
            worker.way: {
                "seconds": statistics.median(each[worker.way]["seconds"] for each in rounds),
                "ratio": statistics.median(each[PEER]["seconds"] / each[worker.way]["seconds"] for each in rounds),
                "cpu_ratio": statistics.median(
                    each[PEER]["cpu_seconds"] / each[worker.way]["cpu_seconds"] for each in rounds
                ),
                "first_steps": first[worker.way],
                "relative_difference": ((worker.output() - expected).abs().max() / expected.abs().max()).item(),
                "peak_bytes": rounds[-1][worker.way]["peak_bytes"],
                "private_bytes": rounds[-1][worker.way]["private_bytes"],
            }
            for worker in workers
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="of the file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="measure compiled blocks, too")
    parser.add_argument("--work", nargs=3, metavar=("WAY", "FILE", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        import torch

        torch.set_num_threads(options.threads)
        way, path, size = options.work
        work(way, Path(path), int(size))
        return
    ways = [PEER, OURS, COMPILED] if options.compile else [PEER, OURS]
    figures: dict[str, Any] = {"stored": options.dtype, "threads": options.threads}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unet.safetensors"
        write_checkpoint(path, options.dtype)
        figures["file_bytes"] = path.stat().st_size
        figures["sizes"] = [measure(ways, path, size, options.threads) for size in options.sizes]
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def print_table(figures: dict[str, Any]) -> None:
    """A line for each way at each size."""
    print(f"file {in_mib(figures['file_bytes'])}; goals {GOAL}x, with --compile {COMPILED_GOAL}x")
    for row in figures["sizes"]:
        for way, facts in row["ways"].items():
            first = ", ".join(f"{seconds:.1f}" for seconds in facts["first_steps"])
            print(
                f"{row['size']}x{row['size']}  {way:16} {facts['seconds']:6.2f} s/step  {facts['ratio']:.2f}x (CPU "
                f"seconds {facts['cpu_ratio']:.2f}x)  off by {facts['relative_difference']:.1e}  first {first} s  peak "
                f"{in_mib(facts['peak_bytes'])}  not of a file {in_mib(facts['private_bytes'])}"
            )


if __name__ == "__main__":
    main()
