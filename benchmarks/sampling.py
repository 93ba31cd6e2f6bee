"""What sampling costs beside the model: every sampler's time per step, with a model that costs nothing.

``python -m benchmarks.sampling [--json FILE] [--steps N] [--size PIXELS] [--model-ms N]``. The whole way of a run is
taken: guidance, batching of both prompts, the sampler and its noise. Samplers that call the model several times a step
pay for each. Those with Brownian noise pay for the numbers of torchsde's tree, drawn while the model computes.
``--model-ms 20`` gives them a model that leaves the CPU free for so long, as one on a GPU does, and counts the time
beside it, which is what users wait for; without, all of the drawing counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

GOAL_SECONDS = 0.001
LATENT = 8
REPEATS = 3


class FreeModel:
    """A model whose estimate is its input: one tensor, which is there already, or after ``seconds``."""

    def __init__(self, seconds: float = 0.0) -> None:
        import torch

        from host.builtin_nodes.sampling.parametrisation import discrete
        from host.builtin_nodes.sampling.predictions import Epsilon

        self.parametrisation = discrete(Epsilon())
        self.device = torch.device("cpu")
        self.seconds = seconds
        self.calls, self.busy = 0, 0.0

    def to_model(self, latent: Any) -> Any:
        return latent

    from_model = to_model

    def predict(self, x: Any, sigma: Any, entries: Any, patches: Any = None) -> Any:
        self.calls += 1
        if self.seconds:
            began = time.perf_counter()
            time.sleep(self.seconds)
            self.busy += time.perf_counter() - began
        return x


def measure(steps: int, size: int, model_seconds: float) -> list[dict[str, Any]]:
    """The best of several runs of each sampler, in seconds per step without those of the model."""
    import torch

    from host.builtin_nodes.sampling.plugin import register_samplers
    from host.builtin_nodes.sampling.run import sample
    from host.builtin_nodes.sampling.traits import BROWNIAN_NOISE

    torch.set_num_threads(1)
    latent = torch.zeros(1, 4, size // LATENT, size // LATENT)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
    sigmas = torch.cat([torch.linspace(14.6, 0.03, steps), torch.zeros(1)])
    prompt = [[torch.zeros(1, 77, 768), {}]]
    rows = []
    for sampler in register_samplers():
        seconds = []
        for _ in range(REPEATS + 1):
            model = FreeModel(model_seconds)
            began = time.perf_counter()
            with torch.no_grad():
                sample(
                    model,
                    sampler=sampler,
                    sigmas=sigmas,
                    positive=prompt,
                    negative=prompt,
                    cfg=7.0,
                    latent=latent,
                    noise=noise,
                    seed=0,
                )
            seconds.append(time.perf_counter() - began - model.busy)
        best = min(seconds[1:])
        brownian = BROWNIAN_NOISE in sampler.traits
        rows.append({"sampler": sampler.name, "brownian": brownian, "step": best / steps, "call": best / model.calls})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--model-ms", type=float, default=0.0)
    options = parser.parse_args()
    rows = measure(options.steps, options.size, options.model_ms / 1000)
    for row in sorted(rows, key=lambda row: -row["step"]):
        print(f"{row['sampler']:28} {row['step'] * 1000:7.3f} ms/step   {row['call'] * 1000:7.3f} ms/call of the model")
    mean = statistics.mean(row["step"] for row in rows)
    others = statistics.mean(row["step"] for row in rows if not row["brownian"])
    print(
        f"mean of {len(rows)} samplers: {mean * 1000:.3f} ms/step, of those without Brownian noise {others * 1000:.3f} "
        f"ms/step (goal {GOAL_SECONDS * 1000:.0f} ms)"
    )
    if options.json:
        figures = {
            "steps": options.steps,
            "size": options.size,
            "model_seconds": options.model_ms / 1000,
            "mean_step_seconds": mean,
            "samplers": rows,
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
