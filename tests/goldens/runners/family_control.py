"""Control networks and T2I adapters: residuals, one evaluation with them, and whole runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from host.builtin_nodes.controlnet.live import Controls
from host.builtin_nodes.controlnet.nodes import control_net_apply_advanced
from host.builtin_nodes.controlnet.residuals import INPUT, MIDDLE, SKIP, ControlResiduals
from sdk.models import ModelHandle

if TYPE_CHECKING:
    from tests.goldens.runners.family import Case


def check(case: Case) -> None:
    """A case of either kind, through the nodes that open and apply a control network."""
    if "_sample_" in case.name:
        _check_run(case)
    else:
        _check_evaluation(case)


def _network(case: Case) -> ModelHandle:
    return case.model.beside(case.folder / f"{case.manifests[-1]}.manifest.json")["controlnet"]


@torch.no_grad()
def _check_evaluation(case: Case) -> None:
    given, strength = case.given, case.params["strength"]
    inputs = {"vector": given["y"]} if "y" in given else {}
    prompt = [[given["context"], {}]]
    applied, _ = control_net_apply_advanced(prompt, prompt, _network(case), given["hint"], strength)
    with case.model.borrowed("denoiser") as (module, adapter):
        levels, sigma = adapter.parametrisation, given["sigma"]
        scaled, timestep = levels.model_input(sigma[:, None, None, None], given["x_noisy"]), levels.timestep(sigma)
        controls = Controls(_borrow(case), levels)
        control = controls.live(applied[0][1]["control"])
        found = control.residuals(scaled, timestep, given["context"], sigma=float(sigma), sides=1, inputs=inputs)
        assert found is not None
        if "timestep" in case.expected:
            assert timestep.tolist() == case.expected["timestep"].tolist()
            case.check(scaled, "x_scaled")
            _check_residuals(case, found)
        for name, added in (("denoised", {"control": found}), ("denoised_without_control", {})):
            if name in case.expected:
                output = adapter.forward(module, scaled, timestep, given["context"], **inputs, **added)
                case.check(levels.denoised(sigma[:, None, None, None], output, given["x_noisy"]), name)


def _borrow(case: Case) -> Any:
    def borrow(handle: ModelHandle) -> Any:
        with case.model.manager.borrow(handle) as module:
            return module

    return borrow


def _check_residuals(case: Case, found: ControlResiduals) -> None:
    names = {name for name in case.expected if name.startswith("residual")}
    seen = dict(_numbered(found))
    assert {name.removeprefix("residual_mean.").removeprefix("residual.") for name in names} == set(seen)
    for name in names:
        kind, _, place = name.partition(".")
        value = seen[place]
        case.check(value.mean(dim=(2, 3)) if kind == "residual_mean" else value, name)


def _numbered(found: ControlResiduals) -> Iterator[tuple[str, Tensor]]:
    """The residuals by the data's names: those of input blocks are numbered from the last block on."""
    inputs = found.of(INPUT)
    # Of Stable Diffusion XL's adapters the data keeps a place beyond the last input block.
    last = len(inputs) - 1 + bool(inputs and found.of(MIDDLE))
    yield from ((f"input.{last - block}", value) for block, value in enumerate(inputs) if value is not None)
    yield from ((f"middle.{index}", value) for index, value in enumerate(found.of(MIDDLE)) if value is not None)
    yield from ((f"output.{index}", value) for index, value in enumerate(found.of(SKIP)) if value is not None)


def _check_run(case: Case) -> None:
    from tests.goldens.runners.family import check_run

    check_run(case, _with_control(case))


def _with_control(case: Case) -> Any:
    def apply(positive: Any, negative: Any) -> tuple[Any, Any]:
        params: Mapping[str, Any] = case.params
        applied: tuple[Any, Any] = control_net_apply_advanced(
            positive,
            negative,
            _network(case),
            case.given["hint"],
            params["strength"],
            params["start_percent"],
            params["end_percent"],
        )
        return applied

    return apply
