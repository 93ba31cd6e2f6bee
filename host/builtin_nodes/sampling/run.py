"""One run of a sampler: from a latent and unit noise to the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from host.builtin_nodes.sampling import noise as noises
from host.builtin_nodes.sampling import traits
from host.builtin_nodes.sampling.batching import DenoisingModel
from host.builtin_nodes.sampling.entries import Conditioning
from host.builtin_nodes.sampling.guidance import CfgDenoiser
from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, ForesightedNoise, Guided, StepNoise
from host.builtin_nodes.sampling.masking import MaskedDenoiser, fit_mask
from host.builtin_nodes.sampling.rules import PLAIN, Guidance
from sdk.sampling import Sampler


class SampledModel(DenoisingModel, Protocol):
    """A model that can be sampled from: it also knows how its latents are scaled."""

    def to_model(self, latent: Tensor) -> Tensor:
        """A latent as the VAE makes it, as the network wants it."""

    def from_model(self, latent: Tensor) -> Tensor:
        """The reverse of ``to_model``."""


def sample(
    model: SampledModel,
    *,
    sampler: Sampler,
    sigmas: Tensor,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
    latent: Tensor,
    noise: Tensor,
    seed: int,
    noise_mask: Tensor | None = None,
    batch_index: Sequence[int] | None = None,
    callback: Callback | None = None,
    options: Mapping[str, Any] | None = None,
    guidance: Guidance = PLAIN,
) -> Tensor:
    """The sampled latent, float32 in the VAE's space, in the shape and on the device of ``latent``.

    ``noise`` is unit noise in the same shape (zeros to add none), ``sigmas`` the falling levels (none: the latent comes
    back), ``seed`` the seed of per-step noise, ``noise_mask`` 1 where to repaint, ``batch_index`` the elements of a
    larger batch that ``noise`` is, ``options`` the sampler's own, ``guidance`` what nodes have added to the model.
    """
    return sample_with(
        CfgDenoiser(model, positive, negative, cfg, guidance),
        model,
        sampler=sampler,
        sigmas=sigmas,
        latent=latent,
        noise=noise,
        seed=seed,
        noise_mask=noise_mask,
        batch_index=batch_index,
        callback=callback,
        options=options,
    )


def sample_with(
    guided: Guided,
    model: SampledModel,
    *,
    sampler: Sampler,
    sigmas: Tensor,
    latent: Tensor,
    noise: Tensor,
    seed: int,
    noise_mask: Tensor | None = None,
    batch_index: Sequence[int] | None = None,
    callback: Callback | None = None,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """``sample`` under any guidance: ``guided`` already knows the prompts and what nodes have added."""
    if len(sigmas) == 0:
        return latent
    levels = _levels(sigmas, sampler)
    start = latent.to(model.device, torch.float32)
    # An empty latent is empty in every space.
    start = model.to_model(start) if torch.count_nonzero(latent) else start
    unit = noise.to(start)
    denoiser: Denoiser = guided
    if noise_mask is not None:
        kept = noises.mask_noise(start, seed) if traits.OWN_MASK_NOISE in sampler.traits else unit
        rule = guided.guidance.mask
        mask_at = partial(rule, sigmas=levels, parametrisation=guided.parametrisation) if rule else None
        denoiser = MaskedDenoiser(guided, fit_mask(noise_mask, start), start, kept, mask_at)
    result = run_sampler(denoiser, sampler, levels, start, unit, seed, callback, options or {}, batch_index)
    return model.from_model(result).to(latent.device)


def run_sampler(
    denoise: Denoiser,
    sampler: Sampler,
    sigmas: Tensor,
    latent: Tensor,
    noise: Tensor,
    seed: int,
    callback: Callback | None,
    options: Mapping[str, Any],
    batch_index: Sequence[int] | None = None,
) -> Tensor:
    """Noise the latent to the first level, run the sampler, undo the scaling of the last level; in model space."""
    parametrisation = denoise.parametrisation
    first, last = sigmas[0], sigmas[-1]
    at_maximum = parametrisation.starts_at_maximum(float(sigmas[0]))
    x = parametrisation.noise_scaling(first, noise, latent, at_maximum)
    if len(sigmas) > 1:
        steps = step_noise(sampler, x, seed, sigmas, batch_index)
        try:
            x = sampler.function(denoise, x, sigmas, noise=steps, callback=callback or _ignore, **options)
        finally:
            if isinstance(steps, ForesightedNoise):
                steps.close()
    return parametrisation.inverse_noise_scaling(last, x)


def step_noise(
    sampler: Sampler, like: Tensor, seed: int, sigmas: Tensor, batch_index: Sequence[int] | None = None
) -> StepNoise:
    """The kind of per-step noise the sampler wants."""
    if traits.BROWNIAN_NOISE in sampler.traits:
        return noises.BrownianNoise(like, seed, float(sigmas[sigmas > 0].min()), float(sigmas.max()))
    if traits.CONTINUED_NOISE in sampler.traits:
        return noises.continued_noise(like, seed, batch_index)
    return noises.step_noise(like, seed)


def _levels(sigmas: Tensor, sampler: Sampler) -> Tensor:
    levels = sigmas.detach().to("cpu", torch.float32, copy=True)
    if traits.LIFTED_END in sampler.traits and levels[-1] == 0:
        levels[-1] = 0.001
    return levels


def _ignore(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
    """The callback of a caller who wants none."""
