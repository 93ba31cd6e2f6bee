"""Guidance, areas, masks and whole sampling nodes on a model that is a formula (part B)."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.sampled_model import FamilyModel
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.errors import SamplingError
from host.builtin_nodes.sampling.masking import MaskedDenoiser, fit_mask
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.predictions import Velocity
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.sampling.rules import PatchedCall
from sdk import Identity, ModelHandle, SdkError
from tests.goldens.runners import Unimplemented
from tests.goldens.runners.nodes import product_nodes
from tests.support.node_context import LoneContext, context_in

ATOL = 2e-5
GUIDERS = ("BasicGuider", "CFGGuider", "DualCFGGuider", "PerpNegGuider")


GENERIC_KERNELS = {"MKL_CBWR": "COMPATIBLE"}
"""Makes MKL give the same numbers on every processor: those the data was computed with.

The first value of a float32 singular vector loses four digits to cancellation, so that it differs from one kind of
processor to the next by more than any other computation here."""


def cases(folder: Path) -> list[str]:
    """``probe/<id>``: one guided evaluation; ``sampling/<id>``: one node."""
    return list(_records(folder))


def run(folder: Path, name: str, tmp_path: Path) -> None:
    record = _records(folder)[name]
    decomposes = '"TCFG"' in json.dumps(record) and record.get("cfg") != 1.0
    if decomposes and not GENERIC_KERNELS.items() <= os.environ.items():
        _run_with_generic_kernels(folder, name, tmp_path)
        return
    context = context_in(tmp_path)
    context.models = ModelsWithoutWeights()
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    case = _Case(_tensors(folder), context, _latent_size(folder))
    if "error" in record:
        _check_refused_or_sound(case, record)
    elif name.startswith("probe/"):
        _check_probe(case, record)
    else:
        _check_node(case, record)


def _check_refused_or_sound(case: _Case, record: Mapping[str, Any]) -> None:
    """Where the reference failed, a clear refusal is right, and so is an answer."""
    try:
        if "guider" in record:
            answers = [_probe(case, record)[0]]
        else:
            outputs = case.outputs(record["node"], case.values(record["inputs"]))
            answers = [latent["samples"] for latent in outputs]
    except (SdkError, SamplingError):
        return
    assert all(bool(answer.isfinite().all()) for answer in answers)


def _run_with_generic_kernels(folder: Path, name: str, tmp_path: Path) -> None:
    """The same in a process of its own: MKL chooses its kernels once, when it is loaded."""
    code = (
        "import sys; from pathlib import Path; from tests.goldens.runners import guidance; "
        "guidance.run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.absolute()), name, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **GENERIC_KERNELS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def _check_probe(case: _Case, record: Mapping[str, Any]) -> None:
    found, calls = _probe(case, record)
    _assert_close(found, case.tensors[f"{record['id']}/denoised"])
    looked_at = {(call["sigma"], *call["shape"][1:]) for call in record["calls"]}
    assert {(sigma, *shape[1:]) for sigma, shape in calls} == looked_at


def _probe(case: _Case, record: Mapping[str, Any]) -> tuple[Tensor, Sequence[tuple[float, tuple[int, ...]]]]:
    """One evaluation of a guider at a level, and the model's own calls; ``x`` is noised already."""
    model = case.model(record["model"], record.get("model_patches", ()))
    names = {"positive", "negative", "cfg"} & set(record)
    inputs = record.get("inputs") or {name: record[name] for name in names}
    guider = case.outputs(record["guider"], {**case.values(inputs), "model": model})[0]
    x, sigma = case.tensors[f"{record['id']}/x"], record["sigma"]
    latent = case.tensors[record["latent"]] if record.get("latent") else torch.zeros_like(x)
    loaded = FamilyModel(torch.nn.Linear(1, 1), model.adapter, model.options)
    denoiser = guider.denoiser(loaded, partial(loaded.prepare, latent=latent, mask=None))
    if record.get("denoise_mask"):
        mask = fit_mask(case.tensors[f"mask/{record['denoise_mask']}"], x)
        denoiser = MaskedDenoiser(denoiser, mask, latent.expand_as(x), _noise_in(x, sigma, latent, record["model"]))
    return denoiser(x, torch.tensor(sigma)), model.adapter.calls


def _noise_in(x: Tensor, sigma: float, latent: Tensor, model: str) -> Tensor:
    """The noise of a sample that was noised to ``sigma``, as the start of a run is."""
    if model in ("flow", "dit"):
        return (x - (1 - sigma) * latent) / sigma
    at_maximum = _parametrisation(model).starts_at_maximum(sigma)
    return (x - latent) / (math.sqrt(1 + sigma**2) if at_maximum else sigma)


def _check_node(case: _Case, record: Mapping[str, Any]) -> None:
    inputs = case.values(record["inputs"])
    found = case.outputs(record["node"], inputs)
    assert len(found) == len(record["out_keys"])
    for index, (latent, keys) in enumerate(zip(found, record["out_keys"], strict=True)):
        assert sorted(latent) == keys
        _assert_close(latent["samples"], case.tensors[f"{record['id']}/out{index}"])
    if handles := [value for value in inputs.values() if isinstance(value, ModelHandle)]:
        called = sorted({sigma for sigma, _ in handles[0].adapter.calls}, reverse=True)
        wanted = sorted(set(record["call_sigmas"]), reverse=True)
        assert len(called) == len(wanted)
        assert all(math.isclose(mine, other, rel_tol=1e-6) for mine, other in zip(called, wanted, strict=True))


def _assert_close(found: Tensor, expected: Tensor) -> None:
    atol = max(ATOL, 1e-6 * float(expected.nan_to_num().abs().max()))
    torch.testing.assert_close(found, expected, atol=atol, rtol=0, equal_nan=True)


@dataclass(frozen=True)
class _Case:
    """Turns a case's inputs into what nodes take."""

    tensors: Mapping[str, Tensor]
    context: LoneContext
    latent_size: tuple[int, int]

    def outputs(self, node_id: str, inputs: Mapping[str, Any]) -> Sequence[Any]:
        node = product_nodes().get(node_id)
        if node is None:
            raise Unimplemented(f"the node {node_id}")
        return node.run(node.create() if node.create else None, dict(inputs), self.context).outputs

    def values(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(name, value) for name, value in inputs.items()}

    def model(self, name: str, patches: Sequence[Any] = ()) -> ModelHandle:
        identity = Identity(family="formula", kind="denoiser", config={}, because="it is a formula")
        handle = ModelHandle(key=name, part="denoiser", identity=identity, adapter=_FormulaAdapter(name))
        for node_id, inputs in patches:
            handle = self.outputs(node_id, {"model": handle, **self.values(inputs)})[0]
        return handle

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return [self._entry(entry) for entry in value]
        if name == "sigmas":
            return torch.tensor(value)
        if not isinstance(value, Mapping):
            return value
        if "node" in value:
            return self.outputs(value["node"], self.values(value["inputs"]))[0]
        if "latent" in value:
            return self._latent(value)
        return self.model(value["model"], value.get("patches", ()))

    def _entry(self, entry: Mapping[str, Any]) -> list[Any]:
        options = {name: value for name, value in entry.items() if name != "c"}
        if "mask" in options:
            options["mask"] = self.tensors[f"mask/{options['mask']}"]
        return [self.tensors[f"cond/{entry['c']}"], options]

    def _latent(self, value: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(value["latent"], str):
            samples = self.tensors[value["latent"]]
            samples = samples.repeat(value.get("repeat", 1), 1, 1, 1)
        else:
            samples = torch.zeros(value["latent"][0], 4, *self.latent_size)
        latent: dict[str, Any] = {"samples": samples}
        if "noise_mask" in value:
            latent["noise_mask"] = self.tensors[f"mask/{value['noise_mask']}"]
        if "batch_index" in value:
            latent["batch_index"] = value["batch_index"]
        return latent


class DirectParametrisation(Parametrisation):
    """Levels and noising of a model whose network takes sample and level as they are, and answers the clean latent."""

    level: Tensor

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        object.__setattr__(self, "level", sigma)
        return x

    def denoised(self, sigma: Tensor, model_output: Tensor, x: Tensor) -> Tensor:
        return model_output


@dataclass(frozen=True, eq=False)
class _FormulaAdapter:
    """The data's fake model."""

    name: str
    latent_format = LatentFormat(channels=4)
    calls: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)

    @property
    def parametrisation(self) -> Parametrisation:
        return _parametrisation(self.name)

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}

    def forward(
        self, module: Any, x: Tensor, timestep: Tensor, context: Tensor, patches: PatchedCall | None = None
    ) -> Tensor:
        sigma = self.parametrisation.level
        self.calls.append((float(sigma.flatten()[0]), tuple(x.shape)))
        m = context.mean(dim=1)[:, :4, None, None]
        h = 0.6 * x / (1 + sigma) + 0.3 * m.tanh() + 0.1 * x.sin() * m + 0.05 * x.mean(dim=(2, 3), keepdim=True)
        if self.name != "dit":
            return h
        skipped = patches.patches.skipped if patches else ()
        for k in range(4):
            h = h if ("double_block", k) in skipped else h + 0.02 * (k + 1) * m.tanh() * h
        for k in range(4):
            h = h if ("single_block", k) in skipped else h + 0.01 * (k + 1)
        return h


class ModelsWithoutWeights:
    """A model manager for models without weights."""

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[torch.nn.Module]:
        yield torch.nn.Linear(1, 1)


@cache
def _parametrisation(name: str) -> DirectParametrisation:
    made = {"eps": kinds.discrete, "v": partial(kinds.discrete, Velocity()), "flow": kinds.flow, "dit": kinds.flow}
    like = made[name]()
    return DirectParametrisation(like.levels, like.prediction)


@cache
def _records(folder: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((folder / "guidance.json").read_text(encoding="utf-8"))
    probes = {f"probe/{case['id']}": case for case in content["probe_cases"]}
    return {**probes, **{f"sampling/{case['id']}": case for case in content["sampling_cases"]}}


def _latent_size(folder: Path) -> tuple[int, int]:
    """Height and width of the empty latents."""
    height, width = json.loads((folder / "guidance.json").read_text(encoding="utf-8"))["latent_hw"]
    return height, width


@cache
def _tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "guidance.safetensors")
