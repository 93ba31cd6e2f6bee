"""``comfy.k_diffusion.sampling``: noise levels, the parts of a step, and the samplers as functions for packs' own."""

# ruff: noqa: TID253 - packs that import this work with torch
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.sampling import schedulers
from host.builtin_nodes.sampling.noise import step_noise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from host.comfyui.offered import UnknownName
from host.comfyui.surface.sampling_runs import CalledModel
from sdk.errors import NodeError

__all__ = [
    "append_dims",
    "append_zero",
    "default_noise_sampler",
    "get_ancestral_step",
    "get_sigmas_exponential",
    "get_sigmas_karras",
    "to_d",
]


def __getattr__(name: str) -> Callable[..., Tensor]:
    """``sample_<name>`` for each of the host's samplers."""
    from host.comfyui.home import home

    prefix, _, sampler = name.partition("_")
    if prefix != "sample" or sampler not in home().samplers():
        raise UnknownName(name)

    def sample(
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: Mapping[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], object] | None = None,
        disable: bool | None = None,
        noise_sampler: Callable[[Any, Any], Tensor] | None = None,
        **options: Any,
    ) -> Tensor:
        """The sample at the last of these levels. Only for the model that a pack's own sampler is given."""
        return _sampled(sampler, model, x, sigmas, extra_args or {}, callback, noise_sampler, options)

    sample.__name__ = name
    return sample


def _sampled(
    name: str,
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra: Mapping[str, Any],
    callback: Callable[[dict[str, Any]], object] | None,
    noise: Callable[[Any, Any], Tensor] | None,
    options: Mapping[str, Any],
) -> Tensor:
    from host.comfyui.surface.samplers import sampler_object

    if not isinstance(model, CalledModel):
        raise NodeError(
            f"sample_{name} of a pack works on the model that its own sampler (comfy.samplers.KSAMPLER) is given, and "
            f"was given {type(model).__name__}."
        )

    def told(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        if callback is not None:
            callback({"i": step, "x": x, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})

    seed = extra.get("seed")
    steps = noise or (model.noise if seed is None else step_noise(x, seed))
    function = sampler_object(name).function
    denoise = model.guided_by(extra.get("model_options", model.options))
    result: Tensor = function(denoise, x, sigmas.cpu(), noise=steps, callback=told, **options)
    return result


def append_zero(x: Tensor) -> Tensor:
    """Levels with a 0 behind them."""
    return torch.cat([x, x.new_zeros([1])])


def append_dims(x: Tensor, target_dims: int) -> Tensor:
    """A tensor with dimensions of 1 behind its own, up to that number."""
    return x.reshape(*x.shape, *[1] * (target_dims - x.ndim))


def get_sigmas_karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0, device: Any = "cpu") -> Tensor:
    """Levels even in sigma^(1/rho) (Karras et al. 2022, eq. 5), [n + 1]."""
    return schedulers.karras(n, float(sigma_min), float(sigma_max), rho).to(device)


def get_sigmas_exponential(n: int, sigma_min: float, sigma_max: float, device: Any = "cpu") -> Tensor:
    """Levels even in log-sigma, [n + 1]."""
    return schedulers.exponential(n, float(sigma_min), float(sigma_max)).to(device)


def to_d(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """The derivative of the sample by the level (Karras et al. 2022, algorithm 1)."""
    return (x - denoised) / append_dims(sigma, x.ndim)


def get_ancestral_step(sigma_from: Any, sigma_to: Any, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """(level to step down to, noise to add) on the way from one level to another."""
    return ancestral_step(torch.as_tensor(sigma_from), torch.as_tensor(sigma_to), eta or 0.0)


def default_noise_sampler(x: Tensor, seed: int | None = None) -> Callable[[Any, Any], Tensor]:
    """A function (level, next level) that draws unit noise like ``x``; without a seed from torch's own generator."""
    return (lambda sigma, sigma_next: torch.randn_like(x)) if seed is None else step_noise(x, seed)
