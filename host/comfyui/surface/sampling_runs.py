"""Runs of the host's samplers on what packs hand in: noise of their own, noise levels, callbacks."""

# ruff: noqa: TID253 - imported when a pack samples
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.custom_sampling.guiders import CfgGuider
from host.builtin_nodes.denoising import Run, chosen, sample_guided, sample_latent
from host.builtin_nodes.families.sampled_model import parametrisation_of
from host.builtin_nodes.sampling.steps import sampling_sigmas, trim
from host.comfyui.running import node_context
from host.comfyui.surface.held_models import handle_of
from host.comfyui.surface.model_options import copied, same, snapshot_of
from host.comfyui.surface.model_rules import guided_in, options_in, with_options, with_options_in
from sdk.context import NodeContext
from sdk.models import ModelHandle
from sdk.sampling import Sampler

Told = Callable[[int, Tensor, Tensor, int], object]
"""A pack's callback: (step, estimate of the clean latent, sample, number of steps)."""


@dataclass(frozen=True, eq=False)
class GivenNoise:
    """Start noise that a pack has made."""

    noise: Tensor
    seed: int

    def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
        return self.noise.to("cpu", torch.float32)


def run_as_node(model: Any, run: Run, positive: Any, negative: Any, latent: Mapping[str, Any]) -> dict[str, Any]:
    """The latent sampled as the node KSampler does it."""
    context = node_context("sampling")
    return sample_latent(context, handle_of(model, "Sampling"), run, positive, negative, latent)


def levels(
    model: ModelHandle, sampler: str, scheduler: str, steps: int, denoise: float | None, context: NodeContext
) -> Tensor:
    """The noise levels of a run, [steps + 1]."""
    return sampling_sigmas(
        parametrisation_of(model),
        chosen("sampler", sampler, context.samplers),
        chosen("scheduler", scheduler, context.schedulers),
        steps,
        1.0 if denoise is None else denoise,
    )


def run_on_levels(
    model: Any,
    *,
    noise: Tensor,
    positive: Any,
    negative: Any,
    cfg: float,
    sampler: Sampler | str,
    sigmas: Tensor,
    latent: Tensor,
    mask: Tensor | None = None,
    callback: Told | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """The samples after a run from given noise: float32 on the CPU, in the VAE's space.

    Without a seed, the noise of later steps is another one each time; without options, the model's own count.
    """
    context = node_context("sampling")
    record = chosen("sampler", sampler, context.samplers) if isinstance(sampler, str) else sampler
    if callback is not None:
        record = _telling(record, callback, max(len(sigmas) - 1, 0))
    start = {"samples": latent} if mask is None else {"samples": latent, "noise_mask": mask}
    seed = int(torch.randint(2**62, ())) if seed is None else seed
    guider = CfgGuider(_with_options(handle_of(model, "Sampling"), options), positive, negative, cfg)
    result, _ = sample_guided(
        context, guider, sampler=record, sigmas=sigmas, noise=GivenNoise(noise, seed), latent=start
    )
    samples: Tensor = result["samples"]
    return samples


def _with_options(handle: ModelHandle, options: Mapping[str, Any] | None) -> ModelHandle:
    return handle if not options or same(options, snapshot_of(handle)) else with_options(handle, dict(options))


def cut(sigmas: Tensor, start: int | None, end: int | None, *, to_the_end: bool) -> Tensor:
    """The levels of the steps from ``start`` to ``end``; ``to_the_end`` has a cut run remove all noise."""
    return trim(sigmas, start, end, leftover_noise=not to_the_end)


def _telling(record: Sampler, told: Told, steps: int) -> Sampler:
    """The sampler with a pack's callback told of each step as well."""

    def function(denoise: Any, x: Tensor, sigmas: Tensor, *, noise: Any, callback: Any, **options: Any) -> Any:
        def both(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
            callback(step, x, sigma, denoised)
            told(step, denoised, x, steps)

        return record.function(denoise, x, sigmas, noise=noise, callback=both, **options)

    return replace(record, function=function)


def of_pack(function: Callable[..., Any], options: Mapping[str, Any]) -> Sampler:
    """A sampler of a pack's function ``(model, x, sigmas, extra_args, callback, disable, **options)``.

    One that takes a ``noise_sampler`` gets the run's own, so that the seed decides its noise.
    """
    draws = "noise_sampler" in inspect.signature(function).parameters

    def run(denoise: Any, x: Tensor, sigmas: Tensor, *, noise: Any, callback: Any, **more: Any) -> Any:
        def told(facts: Mapping[str, Any]) -> None:
            step = facts["i"]
            callback(step, facts["x"], float(facts.get("sigma", sigmas[step])), facts["denoised"])

        given = {**({"noise_sampler": noise} if draws else {}), **options, **more}
        model = CalledModel(denoise, noise)
        extra: dict[str, Any] = {"model_options": copied(model.options), "seed": getattr(noise, "seed", None)}
        return function(model, x, sigmas.to(x.device), extra_args=extra, callback=told, disable=True, **given)

    return Sampler(name=getattr(function, "__name__", "a pack's"), function=run)


class CalledModel:
    """A denoiser as a pack's sampling function calls it.

    Attributes:
        noise: the run's own, for samplers of the host that the function calls.
        options: the model's.
    """

    def __init__(self, denoise: Any, noise: Any) -> None:
        self.denoise, self.noise = denoise, noise
        self.inner_model = self
        self.model_sampling = denoise.parametrisation
        self.options = options_in(denoise)
        self._changed: tuple[Any, Any] = (self.options, denoise)

    @property
    def cfg(self) -> Any:
        """The scale of guidance."""
        return guided_in(self.denoise).cfg

    def __call__(self, x: Tensor, sigma: Tensor, model_options: Mapping[str, Any] | None = None, **_extra: Any) -> Any:
        return self.guided_by(self.options if model_options is None else model_options)(x, sigma)

    def guided_by(self, options: Mapping[str, Any]) -> Any:
        """The denoiser with what a pack has put into ``model_options`` on the way; the last one is kept."""
        if not same(options, self._changed[0]):
            self._changed = (copied(options), with_options_in(self.denoise, options))
        return self._changed[1]
