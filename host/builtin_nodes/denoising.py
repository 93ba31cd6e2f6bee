"""One run of a model for the sampler nodes: from a latent to the sampled latent."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from host.builtin_nodes.families.interface import DenoiserAdapter, LatentFormat
from host.builtin_nodes.families.sampled_model import FamilyModel
from host.builtin_nodes.sampling.errors import SamplingError
from host.builtin_nodes.sampling.guidance import Conditioning
from host.builtin_nodes.sampling.noise import generator, start_noise
from host.builtin_nodes.sampling.run import sample
from host.builtin_nodes.sampling.steps import sampling_sigmas, trim
from sdk import ModelHandle, NodeContext, NodeError, SamplerRecord, SchedulerRecord

Record = TypeVar("Record", SamplerRecord, SchedulerRecord)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a sampler node is asked to do.

    Attributes:
        denoise: share of the schedule that is run, 0..1, from its end.
        start_at, end_at: first step and the step before which to stop; None for all.
        add_noise: whether the latent is noised to the first level.
        leftover_noise: whether a run that stops early keeps the noise of the level it stops at.
    """

    seed: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    denoise: float = 1.0
    start_at: int | None = None
    end_at: int | None = None
    add_noise: bool = True
    leftover_noise: bool = False


@torch.no_grad()
def sample_latent(
    context: NodeContext,
    model: ModelHandle,
    run: Run,
    positive: Conditioning,
    negative: Conditioning,
    latent: Mapping[str, Any],
) -> dict[str, Any]:
    """The latent with its ``samples`` replaced by sampled ones: float32 on the CPU.

    Progress is reported, and cancelling noticed, at every step.

    Raises:
        NodeError: sampler or scheduler are unknown, the latent has other channels than the model's, or a conditioning
            entry asks for what sampling can't do.
    """
    sampler = _chosen("sampler", run.sampler, context.samplers)
    scheduler = _chosen("scheduler", run.scheduler, context.schedulers)
    adapter: DenoiserAdapter = model.adapter
    samples = fit_channels(latent["samples"], adapter.latent_format)
    sigmas = sampling_sigmas(adapter.parametrisation, sampler, scheduler, run.steps, run.denoise)
    sigmas = trim(sigmas, run.start_at, run.end_at, leftover_noise=run.leftover_noise)
    total, mask = len(sigmas) - 1, latent.get("noise_mask")

    def callback(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        context.progress(step + 1, total)

    context.cancel.raise_if_cancelled()
    try:
        with context.models.borrow(model) as module:
            loaded = FamilyModel(module, adapter)
            sampled = sample(
                loaded,
                sampler=sampler,
                sigmas=sigmas,
                positive=loaded.prepare(positive, samples, mask),
                negative=loaded.prepare(negative, samples, mask),
                cfg=run.cfg,
                latent=samples,
                noise=_unit_noise(run, samples, latent.get("batch_index")),
                seed=run.seed,
                noise_mask=mask,
                callback=callback,
            )
    except SamplingError as error:
        raise NodeError(str(error)) from error
    return {**latent, "samples": sampled.float().cpu()}


def fit_channels(samples: Tensor, latent_format: LatentFormat) -> Tensor:
    """The samples, if the model can take them; an empty latent gets the model's number of channels.

    Raises:
        NodeError: a latent with content has another number of channels.
    """
    channels = samples.shape[1]
    if channels == latent_format.channels:
        return samples
    if torch.count_nonzero(samples):
        raise NodeError(
            f"The latent has {channels} channels, the model works on {latent_format.channels}. "
            "Encode the image with the VAE that belongs to this model."
        )
    return samples.new_zeros(samples.shape[0], latent_format.channels, *samples.shape[2:])


def _unit_noise(run: Run, samples: Tensor, batch_index: Any) -> Tensor:
    if not run.add_noise:
        return torch.zeros(samples.shape)
    return start_noise(samples.shape, generator(run.seed), batch_index)


def _chosen(kind: str, name: str, known: Mapping[str, Record]) -> Record:
    if name not in known:
        raise NodeError(f"There is no {kind} called {name!r}. Known are: {', '.join(known)}.")
    return known[name]
