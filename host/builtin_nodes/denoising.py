"""One run of a model for the sampler nodes: from a latent to the sampled latent."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from host.builtin_nodes.controlnet.live import Controls
from host.builtin_nodes.custom_sampling.guiders import CfgGuider, Guider
from host.builtin_nodes.custom_sampling.noise import NoNoise, SeededNoise, StartNoise
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.sampled_model import FamilyModel, latent_format_of, parametrisation_of
from host.builtin_nodes.gligen.live import with_live_boxes
from host.builtin_nodes.sampling import traits
from host.builtin_nodes.sampling.entries import Conditioning
from host.builtin_nodes.sampling.errors import SamplingError
from host.builtin_nodes.sampling.run import sample_with
from host.builtin_nodes.sampling.steps import sampling_sigmas, trim
from host.builtin_nodes.working_memory import denoiser_bytes
from sdk import LatentPreview, ModelHandle, NodeContext, NodeError, SamplerRecord, SchedulerRecord

_KINDS = {3: "sound", 4: "picture", 5: "video"}
"""What a latent is by its number of dimensions."""

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
    sampler = chosen("sampler", run.sampler, context.samplers)
    scheduler = chosen("scheduler", run.scheduler, context.schedulers)
    sigmas = sampling_sigmas(parametrisation_of(model), sampler, scheduler, run.steps, run.denoise)
    sigmas = trim(sigmas, run.start_at, run.end_at, leftover_noise=run.leftover_noise)
    noise = SeededNoise(run.seed) if run.add_noise else NoNoise(run.seed)
    guider = CfgGuider(model, positive, negative, run.cfg)
    return sample_guided(context, guider, sampler=sampler, sigmas=sigmas, noise=noise, latent=latent)[0]


@torch.no_grad()
def sample_guided(
    context: NodeContext,
    guider: Guider,
    *,
    sampler: SamplerRecord,
    sigmas: Tensor,
    noise: StartNoise,
    latent: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the sampled latent, the clean latent as the last step estimated it), float32 on the CPU.

    Where no step is run, both are the same. Progress is reported, and cancelling noticed, at every step.

    Raises:
        NodeError: the latent has other channels than the model's, a conditioning entry asks for what sampling can't
            do, or the sampler can't run on these noise levels.
    """
    refuse_unusable(sigmas, sampler)
    samples = fit_channels(latent["samples"], latent_format_of(guider.model))
    latent = {**latent, "samples": samples}
    mask, total = latent.get("noise_mask"), max(len(sigmas) - 1, 0)
    estimate: Tensor | None = None

    def callback(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        nonlocal estimate
        estimate = denoised
        context.progress(step + 1, total, preview=LatentPreview(denoised, guider.model))

    context.cancel.raise_if_cancelled()
    try:
        with ExitStack() as borrowed:

            def borrow(handle: ModelHandle, working_bytes: int = 0) -> Any:
                return borrowed.enter_context(context.models.borrow(handle, working_bytes=working_bytes))

            module = borrow(guider.model, denoiser_bytes(guider.model, samples.shape))
            loaded = FamilyModel(module, guider.model.adapter, guider.model.options)
            controls = Controls(borrow, loaded.parametrisation)

            def prepare(conditioning: Conditioning) -> Conditioning:
                ready = with_live_boxes(controls.in_conditioning(conditioning), borrow)
                return loaded.prepare(ready, latent=samples, mask=mask, seed=noise.seed)

            sampled = sample_with(
                guider.denoiser(loaded, prepare),
                loaded,
                sampler=sampler,
                sigmas=sigmas,
                latent=samples,
                noise=noise.generate_noise(latent),
                seed=noise.seed,
                noise_mask=mask,
                batch_index=latent.get("batch_index"),
                callback=callback,
            )
            clean = sampled if estimate is None else loaded.from_model(estimate)
    except SamplingError as error:
        raise NodeError(str(error)) from error
    except (ZeroDivisionError, torch.linalg.LinAlgError) as error:
        raise _unusable(sigmas, sampler, "repeat a level, or rise") from error
    return {**latent, "samples": sampled.float().cpu()}, {**latent, "samples": clean.float().cpu()}


def refuse_unusable(sigmas: Tensor, sampler: SamplerRecord) -> None:
    """Nothing, if the sampler can run on these noise levels, as far as they tell.

    Raises:
        NodeError: some are no finite numbers, which would give an empty picture, or the noise of the sampler's steps
            has no end because there is a 0 among them.
    """
    if not torch.isfinite(sigmas).all():
        raise _unusable(sigmas, sampler, "are no finite numbers")
    if traits.BROWNIAN_NOISE in sampler.traits and bool((sigmas[:-1] == 0).any()):
        raise _unusable(sigmas, sampler, "hold a 0 before the last")


def _unusable(sigmas: Tensor, sampler: SamplerRecord, why: str) -> NodeError:
    levels = ", ".join(f"{float(level):.4g}" for level in sigmas[:6]) + (", …" if len(sigmas) > 6 else "")
    return NodeError(
        f"The sampler {sampler.name} can't run on the noise levels {levels}: they {why}. Choose another scheduler, "
        "another number of steps, or more denoise."
    )


def fit_channels(samples: Tensor, latent_format: LatentFormat) -> Tensor:
    """The samples, if the model can take them; an empty latent gets the model's number of channels.

    Raises:
        NodeError: the latent is of another kind, a video's for instance, or has content in other channels.
    """
    dimensions = getattr(latent_format, "dimensions", 4)  # a pack's own format need not say that it is for pictures
    if samples.ndim != dimensions:
        raise NodeError(
            f"The latent has {samples.ndim} dimensions, {list(samples.shape)}, and the model works on "
            f"{dimensions}: it is a {_KINDS.get(samples.ndim, 'thing')}, and the model makes "
            f"{_KINDS[dimensions]}s. Use an empty latent that is made for this model."
        )
    channels = samples.shape[1]
    if channels == latent_format.channels:
        return samples
    if torch.count_nonzero(samples):
        raise NodeError(
            f"The latent has {channels} channels, the model works on {latent_format.channels}. "
            "Encode the image with the VAE that belongs to this model."
        )
    return samples.new_zeros(samples.shape[0], latent_format.channels, *samples.shape[2:])


def chosen(kind: str, name: str, known: Mapping[str, Record]) -> Record:
    """The sampler or scheduler of that name.

    Raises:
        NodeError: there is none; the message lists those there are.
    """
    if name not in known:
        raise NodeError(f"There is no {kind} called {name!r}. Known are: {', '.join(known)}.")
    return known[name]
