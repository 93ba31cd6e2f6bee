"""Schedules, random streams and samplers on an analytic model whose exact denoiser is known (part A)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from host.builtin_nodes import model_sampling
from host.builtin_nodes.custom_sampling import (
    sampler_nodes,
    scheduler_nodes,
    sigma_nodes,
    solver_nodes,
    tabled_scheduler_nodes,
)
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.sampled_model import parametrisation_of
from host.builtin_nodes.sampling import noise as noises
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.predictions import Velocity
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.sampling.run import sample
from host.builtin_nodes.sampling.steps import sampling_sigmas, scheduled_sigmas
from sdk import Identity, ModelHandle, NodeType
from sdk.sampling import Sampler
from sdk.testing import FakeContext
from tests.goldens.runners import Unimplemented
from tests.goldens.runners.sampling_nodes import through_nodes
from tests.host.builtin_nodes.sampling.mixture import MixtureModel

Check = Callable[[], None]

SCHEDULE_RTOL = 1e-6
SHAPE = (2, 4, 8, 8)
NETWORK_FORMS = ("sd1_eps_net", "sd2_v", "sd_v_zsnr")

NODES = {
    node.id: node
    for pack in (
        model_sampling,
        sampler_nodes,
        scheduler_nodes,
        sigma_nodes,
        solver_nodes,
        tabled_scheduler_nodes,
    )
    for node in pack.register_nodes()
}

# The reference shows the start, not the state, to those who watch these.
REPORT_THEIR_START = ("ipndm", "ipndm_v", "deis")


def cases(folder: Path) -> list[str]:
    return list(_checks(folder))


def run(folder: Path, name: str, tmp_path: Path) -> None:
    _checks(folder)[name]()


@cache
def _checks(folder: Path) -> Mapping[str, Check]:
    found: dict[str, Check] = {}
    for name, check in [*_sampler_checks(folder), *_schedule_checks(folder), *_rng_checks(folder)]:
        assert name not in found, f"two cases are called {name}"
        found[name] = check
    return found


@cache
def _model_parametrisation(name: str) -> Parametrisation:
    made: Mapping[str, Callable[[], Parametrisation]] = {
        "sd1_eps": kinds.discrete,
        "sd1_eps_net": kinds.discrete,
        "sd2_v": partial(kinds.discrete, Velocity()),
        "sd_v_zsnr": partial(kinds.discrete, Velocity(), zero_snr=True),
        "sd3_flow": partial(kinds.flow, 3.0, 1000.0),
        "aura_flow": partial(kinds.flow, 1.73, 1.0),
        "flux": partial(kinds.flux, 1.15),
        "edm": partial(kinds.continuous_edm, 0.002, 80.0),
        "edm_v": partial(kinds.continuous_edm, 0.002, 700.0, Velocity()),
        "cont_v": partial(kinds.continuous_v, 0.03, 500.0),
        "cascade": partial(kinds.cascade, 2.0),
        "cosmos": partial(kinds.cosmos, 0.002, 80.0),
    }
    return made[name]()


# --- samplers.json


def _sampler_checks(folder: Path) -> Iterator[tuple[str, Check]]:
    data = json.loads((folder / "samplers.json").read_text())
    tensors = load_file(folder / "samplers.safetensors")
    means = load_file(folder / "gmm.safetensors")["means_f64"]
    stds = torch.tensor(data["gmm"]["std"], dtype=torch.float64)
    prompts = [[[torch.tensor(data[key]).expand(1, 4, 3), {}]] for key in ("positive_logits", "negative_logits")]

    def model(case: Mapping[str, Any]) -> MixtureModel:
        name = case["model"]
        return MixtureModel(_model_parametrisation(name), means, stds, through_network=name in NETWORK_FORMS)

    for case in data["cases"]:
        yield case["id"], partial(_check_sampler, case, tensors, model, prompts)
        if (check := through_nodes(case, tensors, model, prompts)) is not None:
            yield f"through_nodes/{case['id']}", check


def _check_sampler(
    case: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    make_model: Callable[[Mapping[str, Any]], MixtureModel],
    prompts: Sequence[Any],
) -> None:
    model = make_model(case)
    sampler, options = _sampler_of(case, model.parametrisation)
    sigmas = _sigmas_of(case, model.parametrisation, sampler)
    shape = tensors[f"{case['id']}/x_init"].shape
    latent = tensors[case["latent"]] if "latent" in case else torch.zeros(shape)
    noise = noises.start_noise(shape, noises.generator(case["seed"]), case.get("batch_index"))
    if case["id"].startswith("split_low_nonoise/"):
        noise = torch.zeros(shape)
    trace: list[tuple[int, torch.Tensor, torch.Tensor]] = []
    out = sample(
        model,
        sampler=sampler,
        sigmas=sigmas,
        positive=prompts[0],
        negative=prompts[1],
        cfg=case["cfg"],
        latent=latent,
        noise=noise,
        seed=case["seed"],
        callback=lambda step, x, sigma, denoised: trace.append((step, x[:1], denoised[:1])),
        options=options,
    )
    atol = max(2e-5, 20 * case["sensitivity_1e-6"])
    # Intermediate levels are the sampler's own results, so they have its tolerance.
    _assert_sigmas(model.called_sigmas, case["model_call_sigmas"], _called_sigmas_rtol(case), atol=2e-5)
    assert sorted(set(model.called_batches)) == sorted(case["model_call_batch"])
    assert sorted({str(sides) for sides in model.called_sides}) == sorted(case["cond_or_uncond"])
    _assert_close(model.first_x, tensors[f"{case['id']}/x_init"], atol, "start")
    if "trace_i" in case:
        assert [step for step, _, _ in trace] == case["trace_i"]
        states = tensors[f"{case['id']}/trace_x"]
        if sampler.name in REPORT_THEIR_START:
            assert all(torch.equal(state, model.first_x[:1]) for state in states)
        else:
            _assert_close(torch.stack([x for _, x, _ in trace]), states, atol, "x per step")
        _assert_close(
            torch.stack([denoised for _, _, denoised in trace]),
            tensors[f"{case['id']}/trace_denoised"],
            atol,
            "denoised per step",
        )
    torch.testing.assert_close(out, tensors[f"{case['id']}/out"], atol=atol, rtol=0, equal_nan=True)


def _called_sigmas_rtol(case: Mapping[str, Any]) -> float:
    """dpm_adaptive sizes its steps by the difference of nearly equal samples. Where the model passes through a network,
    writing that network's formula in other, equal orders moves the levels by up to 7.6e-5; without, by nothing."""
    found_by_error = case.get("sampler") == "dpm_adaptive" and case["model"] in NETWORK_FORMS
    return 1e-4 if found_by_error else SCHEDULE_RTOL


def _assert_close(actual: torch.Tensor | None, expected: torch.Tensor, atol: float, what: str) -> None:
    # States at high levels are large: 1e-6 of them is the precision of float32.
    assert actual is not None, f"{what}: the model was never called"
    torch.testing.assert_close(
        actual, expected, atol=atol, rtol=1e-6, equal_nan=True, msg=lambda text: f"{what}: {text}"
    )


def _sampler_of(case: Mapping[str, Any], parametrisation: Parametrisation) -> tuple[Sampler, dict[str, Any]]:
    options = dict(case.get("options", {}))
    if "sampler" in case:
        return _sampler(case["sampler"]), options
    if _node(case["sampler_node"]).input("model"):
        options["model"] = _handle(parametrisation)
    return _from_node(case["sampler_node"], options), {}


@dataclass(frozen=True)
class Levels:
    """An adapter for nodes that ask a model only how it sees noise."""

    parametrisation: Parametrisation
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(channels=4))


def _handle(parametrisation: Parametrisation) -> ModelHandle:
    identity = Identity(family="analytic", kind="denoiser", config={}, because="it is a formula")
    return ModelHandle(key="analytic", part="denoiser", identity=identity, adapter=Levels(parametrisation))


def _node(name: str) -> NodeType:
    if name not in NODES:
        raise Unimplemented(f"the node {name}")
    return NODES[name]


def _from_node(name: str, inputs: Mapping[str, Any]) -> Any:
    """The only output of a node."""
    context = FakeContext(
        samplers={sampler.name: sampler for sampler in SAMPLERS},
        schedulers={scheduler.name: scheduler for scheduler in SCHEDULERS},
    )
    (output,) = _node(name).run(None, dict(inputs), context).outputs
    return output


def _sampler(name: str) -> Sampler:
    for sampler in SAMPLERS:
        if sampler.name == name:
            return sampler
    raise Unimplemented(f"no sampler {name}")


def _sigmas_of(case: Mapping[str, Any], parametrisation: Parametrisation, sampler: Sampler) -> torch.Tensor:
    if "scheduler" not in case:
        return torch.tensor(case["sigmas"])
    scheduler = _scheduler(case["scheduler"])
    if case["id"].startswith(("nodes/", "churn/")):
        sigmas = scheduled_sigmas(parametrisation, scheduler, case["steps"])
    else:
        sigmas = sampling_sigmas(parametrisation, sampler, scheduler, case["steps"], case["denoise"])
    return sigmas


# --- schedules.json


def _schedule_checks(folder: Path) -> Iterator[tuple[str, Check]]:
    data = json.loads((folder / "schedules.json").read_text())
    for case in data["by_name"]:
        name = f"schedules/by_name/{case['model']}/{case['scheduler']}/{case['steps']}"
        yield name, partial(_check_by_name, case)
    for case in data["ksampler"]:
        name = "/".join(str(case[key]) for key in ("model", "sampler", "scheduler", "steps", "denoise"))
        yield f"schedules/ksampler/{name}", partial(_check_ksampler, case)
    for case in data["basic_scheduler"]:
        name = "/".join(str(case[key]) for key in ("model", "scheduler", "steps", "denoise"))
        yield f"schedules/basic_scheduler/{name}", partial(_check_basic_scheduler, case)
    for index, case in enumerate(data["nodes"]):
        yield f"schedules/nodes/{case['node']}/{index}", partial(_check_schedule_node, case)
    for case in data["percent"]:
        yield f"schedules/percent/{case['model']}/{case['percent']}", partial(_check_percent, case)
    for index, case in enumerate(data["parametrisation"]):
        yield f"schedules/parametrisation/{case['model']}/{index}", partial(_check_parametrisation, case)
    for name, case in data["tables"].items():
        yield f"schedules/tables/{name}", partial(_check_table, case, name)
    for index, case in enumerate(data["model_sampling_nodes"]):
        yield f"schedules/model_sampling_nodes/{case['node']}/{index}", partial(_check_model_sampling_node, case)


def _check_by_name(case: Mapping[str, Any]) -> None:
    scheduler = _scheduler(case["scheduler"])
    _assert_sigmas(scheduler.function(_model_parametrisation(case["model"]), case["steps"]), case["sigmas"])


def _check_ksampler(case: Mapping[str, Any]) -> None:
    sigmas = sampling_sigmas(
        _model_parametrisation(case["model"]),
        _sampler(case["sampler"]),
        _scheduler(case["scheduler"]),
        case["steps"],
        case["denoise"],
    )
    _assert_sigmas(sigmas, case["sigmas"])


def _check_basic_scheduler(case: Mapping[str, Any]) -> None:
    model = _handle(_model_parametrisation(case["model"]))
    inputs = {"model": model, **{name: case[name] for name in ("scheduler", "steps", "denoise")}}
    _assert_sigmas(_from_node("BasicScheduler", inputs), case["sigmas"])


def _check_schedule_node(case: Mapping[str, Any]) -> None:
    inputs = dict(case["inputs"])
    if "model" in case:
        inputs["model"] = _handle(_model_parametrisation(case["model"]))
    _assert_sigmas(_from_node(case["node"], inputs), case["outputs"][0])


def _check_percent(case: Mapping[str, Any]) -> None:
    model = _handle(_model_parametrisation(case["model"]))
    found = [
        _from_node(
            "SamplingPercentToSigma",
            {"model": model, "sampling_percent": case["percent"], "return_actual_sigma": actual},
        )
        for actual in (False, True)
    ]
    _assert_sigmas(found, [case["sigma"], case["actual"]])


def _check_parametrisation(case: Mapping[str, Any]) -> None:
    subject = _model_parametrisation(case["model"])
    sigma = torch.tensor(case["sigma"])
    x, output, latent = (torch.tensor(case[key]) for key in ("x", "net_out", "latent"))
    timestep = subject.timestep(sigma)
    got = {
        "timestep": timestep.float().reshape(1),
        "sigma_of_timestep": subject.sigma(timestep).reshape(1),
        "net_in": subject.model_input(sigma, x),
        "denoised": subject.denoised(sigma, output, x),
        "noise_scaling": subject.noise_scaling(sigma, x, latent),
        "noise_scaling_max": subject.noise_scaling(sigma, x, latent, max_denoise=True),
        "inverse_noise_scaling": subject.inverse_noise_scaling(sigma, x),
    }
    for key, value in got.items():
        expected = torch.tensor([float(number) for number in _listed(case[key])])
        # Sums of terms of opposite sign: relative to the terms, not to what is left of them.
        atol = 1e-6 * max(1.0, float(x.abs().max()) * max(1.0, case["sigma"]))
        torch.testing.assert_close(
            value, expected, rtol=SCHEDULE_RTOL, atol=atol, msg=lambda text, key=key: f"{key}: {text}"
        )


def _check_table(case: Mapping[str, Any], name: str) -> None:
    subject = _model_parametrisation(name)
    assert len(subject.sigmas) == case["len"]
    _assert_sigmas([subject.sigma_min, subject.sigma_max], [case["sigma_min"], case["sigma_max"]])
    _assert_sigmas(subject.sigmas[case["index"]], case["sigma_at"])


def _check_model_sampling_node(case: Mapping[str, Any]) -> None:
    model = _handle(_model_parametrisation(case["base_model"]))
    subject = parametrisation_of(_from_node(case["node"], {"model": model, **case["inputs"]}))
    assert len(subject.sigmas) == case["len"]
    _assert_sigmas(subject.sigmas[case["index"]], case["sigma_at"])
    _assert_sigmas(_scheduler("simple").function(subject, 8), case["simple_8"])
    _assert_sigmas(_scheduler("normal").function(subject, 5), case["normal_5"]["sigmas"])
    _assert_sigmas([subject.percent_to_sigma(0.3)], [case["percent_03"]])
    for sigma, timestep in case["timestep_at_sigma"]:
        _assert_sigmas([float(subject.timestep(torch.tensor(sigma)))], [timestep])


def _scheduler(name: str) -> Any:
    return next(scheduler for scheduler in SCHEDULERS if scheduler.name == name)


# --- rng.json


def _rng_checks(folder: Path) -> Iterator[tuple[str, Check]]:
    data = json.loads((folder / "rng.json").read_text())
    tensors = load_file(folder / "rng.safetensors")
    for case in data["prepare_noise"]:
        chosen = f"/{case['batch_index']}" if "batch_index" in case else ""
        yield f"rng/prepare_noise/{case['seed']}{chosen}", partial(_check_start_noise, case, tensors)
    for case in data["step_noise"]:
        yield f"rng/step_noise/{case['seed']}", partial(_check_step_noise, case)
    for case in data["brownian"]:
        yield f"rng/{case['tensor_prefix'].rstrip('/')}", partial(_check_brownian, case, tensors)


def _check_start_noise(case: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    source = noises.generator(int(case["seed"]))
    drawn = noises.start_noise(SHAPE, source, case.get("batch_index"))
    if "batch_index" in case:
        assert torch.equal(drawn, tensors[case["tensor"]])
    else:
        assert drawn.flatten()[:8].tolist() == case["first8"]
        assert torch.randn(4, generator=source).tolist() == case["global_rng_next4_after"]


def _check_step_noise(case: Mapping[str, Any]) -> None:
    stream = noises.step_noise(torch.zeros(SHAPE), int(case["seed"]))
    first, second = stream(2.0, 1.0), stream(1.0, 0.5)
    start = noises.start_noise(SHAPE, noises.generator(int(case["seed"])))
    assert torch.equal(first, start) == case["first_equals_initial_noise"]
    assert first.flatten()[:4].tolist() == case["call1_first4"]
    assert second.flatten()[:4].tolist() == case["call2_first4"]


def _check_brownian(case: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    like = torch.zeros(case["shape"])
    path = noises.BrownianNoise(like, case["seed"], case["sigma_min"], case["sigma_max"])
    for index, (sigma, sigma_next) in enumerate(case["queries_in_order"]):
        expected = tensors[f"{case['tensor_prefix']}{index}"]
        torch.testing.assert_close(path(sigma, sigma_next), expected, atol=2e-5, rtol=0)


def _assert_sigmas(
    actual: torch.Tensor | Sequence[float],
    expected: Sequence[float | str],
    rtol: float = SCHEDULE_RTOL,
    atol: float = 0.0,
) -> None:
    got = [float(number) for number in actual]
    wanted = [float(number) for number in expected]
    assert len(got) == len(wanted), f"{got} instead of {wanted}"
    off = [
        (index, mine, theirs)
        for index, (mine, theirs) in enumerate(zip(got, wanted, strict=True))
        if not (math.isclose(mine, theirs, rel_tol=rtol, abs_tol=atol) or (math.isnan(mine) and math.isnan(theirs)))
    ]
    assert not off, f"(index, got, expected): {off}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
