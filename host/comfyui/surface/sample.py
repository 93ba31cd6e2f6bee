"""``comfy.sample``: start noise, and sampling from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from host.comfyui.surface.held_models import handle_of
from host.comfyui.surface.samplers import KSampler
from host.comfyui.surface.samplers import sample as sample_on_levels
from sdk.sampling import Sampler

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["fix_empty_latent_channels", "prepare_noise", "sample", "sample_custom"]


def prepare_noise(latent_image: Tensor, seed: int, noise_inds: Sequence[int] | None = None) -> Tensor:
    """Unit noise for a latent, in its dtype and on the CPU; of the batch elements ``noise_inds`` where given."""
    from host.builtin_nodes.sampling.noise import generator, start_noise

    noise = start_noise(latent_image.shape, generator(seed), None if noise_inds is None else list(noise_inds))
    return noise.to(latent_image.dtype)


def fix_empty_latent_channels(model: Any, latent_image: Tensor) -> Tensor:
    """The latent; an empty one with as many channels as the model works on."""
    from host.builtin_nodes.denoising import fit_channels
    from host.builtin_nodes.families.sampled_model import latent_format_of

    return fit_channels(latent_image, latent_format_of(handle_of(model, "Sampling")))


def sample(
    model: Any,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: Tensor | None = None,
    sigmas: Tensor | None = None,
    callback: Callable[..., Any] | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The samples after a run with given start noise, float32 on the CPU.

    Args:
        denoise: share of the noise that is removed, 0..1.
        disable_noise: has no effect: give noise that is zero.
        start_step, last_step: the part of the steps to run; None for all.
        force_full_denoise: a run that ends early removes all noise.
        noise_mask: 1 where to repaint.
        callback: told of each step: (step, estimate of the clean latent, sample, number of steps).
    """
    run = KSampler(model, steps, None, sampler_name, scheduler, denoise)
    return run.sample(
        noise,
        positive,
        negative,
        cfg,
        latent_image,
        start_step,
        last_step,
        force_full_denoise,
        noise_mask,
        sigmas,
        callback,
        disable_pbar,
        seed,
    )


def sample_custom(
    model: Any,
    noise: Tensor,
    cfg: float,
    sampler: Sampler,
    sigmas: Tensor,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    noise_mask: Tensor | None = None,
    callback: Callable[..., Any] | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
    model_options: Mapping[str, Any] | None = None,
) -> Tensor:
    """The samples after a run with given sampler, noise levels and start noise, float32 on the CPU."""
    return sample_on_levels(
        model,
        noise,
        positive,
        negative,
        cfg,
        None,
        sampler,
        sigmas,
        model_options,
        latent_image,
        noise_mask,
        callback,
        disable_pbar,
        seed,
    )
