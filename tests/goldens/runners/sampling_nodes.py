"""The samplers of part A once more, through the nodes that users have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.folders import LocalFolders
from sdk import Identity, ModelHandle, NodeResult, NodeType
from tests.goldens.runners import Unimplemented
from tests.goldens.runners.guidance import DirectParametrisation, ModelsWithoutWeights
from tests.goldens.runners.nodes import product_nodes
from tests.host.builtin_nodes.sampling.mixture import MixtureModel
from tests.support.node_context import LoneContext, NoModels

Run = Callable[..., Any]


def through_nodes(
    case: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    make_model: Callable[[Mapping[str, Any]], MixtureModel],
    prompts: Sequence[Any],
) -> Callable[[], None] | None:
    """The check of a case by nodes alone; None where it gives a sampler options that no node has."""
    return None if case["id"].startswith("churn/") else partial(_check, case, tensors, make_model, prompts)


def _check(
    case: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    make_model: Callable[[Mapping[str, Any]], MixtureModel],
    prompts: Sequence[Any],
) -> None:
    adapter = MixtureAdapter(make_model(case))
    identity = Identity(family="analytic", kind="denoiser", config={}, because="it is a formula")
    model = ModelHandle(key="analytic", part="denoiser", identity=identity, adapter=adapter)
    empty = torch.zeros(tensors[f"{case['id']}/x_init"].shape)
    latent: dict[str, Any] = {"samples": tensors[case["latent"]] if "latent" in case else empty}
    if "batch_index" in case:
        latent["batch_index"] = case["batch_index"]
    given = {"model": model, "positive": prompts[0], "negative": prompts[1], "cfg": case["cfg"], "latent_image": latent}
    found, steps = _sampled(case, given)
    expected = tensors[f"{case['id']}/out"]
    atol = max(2e-5, 20 * case["sensitivity_1e-6"])
    torch.testing.assert_close(found["samples"], expected, atol=atol, rtol=0, equal_nan=True)
    if case["sigmas"]:
        assert [done for done, _ in steps] == sorted(done for done, _ in steps), "progress goes back"
        assert not adapter.called or steps, "nothing was told of the steps"


@dataclass(frozen=True, eq=False)
class MixtureAdapter:
    """The mixture of Gaussians as the network of a handle: it takes sample and level as they are.

    Attributes:
        called: the level of every evaluation.
    """

    model: MixtureModel
    called: list[float] = field(default_factory=list)
    latent_format = LatentFormat(channels=4)

    @cached_property
    def parametrisation(self) -> Parametrisation:
        like = self.model.parametrisation
        return DirectParametrisation(like.levels, like.prediction)

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}

    def forward(self, module: Any, x: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        level: Tensor = self.parametrisation.level.flatten()[0]  # type: ignore[attr-defined]
        self.called.append(float(level))
        prompts = context.mean(dim=1)
        changes = [place for place in range(1, len(x)) if not torch.equal(prompts[place], prompts[place - 1])]
        pieces = zip(x.tensor_split(changes), context.tensor_split(changes), strict=True)
        return torch.cat([self.model.estimate(sample, level, prompt) for sample, prompt in pieces])


def _sampled(case: Mapping[str, Any], given: dict[str, Any]) -> tuple[Mapping[str, Any], list[tuple[float, float]]]:
    """The latent, and what was told of the steps."""
    context = _context()
    run = partial(_run, context)
    if "sampler" in case and "scheduler" in case:
        names = {"sampler_name": case["sampler"], "scheduler": case["scheduler"]}
        outputs = run(
            "KSampler", **given, **names, seed=case["seed"], steps=case["steps"], denoise=case.get("denoise", 1.0)
        )
    elif "sampler" in case:
        sampler = run("KSamplerSelect", sampler_name=case["sampler"])[0]
        outputs = run(
            "SamplerCustom",
            **given,
            sampler=sampler,
            sigmas=torch.tensor(case["sigmas"]),
            noise_seed=case["seed"],
            add_noise=not case["id"].startswith("split_low_nonoise/"),
        )
    else:
        outputs = _advanced(case, given, run)
    return outputs[0], context.said


def _advanced(case: Mapping[str, Any], given: Mapping[str, Any], run: Run) -> Any:
    """With noise, guidance, algorithm and levels from a node each."""
    options = dict(case["options"])
    if _node(case["sampler_node"]).input("model"):
        options["model"] = given["model"]
    entries = {name: given[name] for name in ("model", "positive", "negative", "cfg")}
    levels = {"model": given["model"], "scheduler": case["scheduler"], "steps": case["steps"], "denoise": 1.0}
    return run(
        "SamplerCustomAdvanced",
        noise=run("RandomNoise", noise_seed=case["seed"])[0],
        guider=run("CFGGuider", **entries)[0],
        sampler=run(case["sampler_node"], **options)[0],
        sigmas=run("BasicScheduler", **levels)[0],
        latent_image=given["latent_image"],
    )


def _run(context: LoneContext, name: str, **inputs: Any) -> Sequence[Any]:
    result = _node(name).run(None, inputs, context)
    assert isinstance(result, NodeResult)
    return result.outputs


def _node(name: str) -> NodeType:
    if name not in product_nodes():
        raise Unimplemented(f"the node {name}")
    return product_nodes()[name]


def _context() -> LoneContext:
    nowhere = Path("/nowhere")  # sampling reads and writes no file
    return LoneContext(
        LocalFolders(nowhere, NoModels()),
        models=ModelsWithoutWeights(),
        samplers={sampler.name: sampler for sampler in SAMPLERS},
        schedulers={scheduler.name: scheduler for scheduler in SCHEDULERS},
    )
