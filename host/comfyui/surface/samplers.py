"""``comfy.samplers``: the names of samplers and schedules, noise levels, and runs on them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from host.comfyui.home import home
from host.comfyui.offered import UnknownName
from host.comfyui.running import node_context, running
from host.comfyui.sampler_names import NameList, SchedulerHandler
from sdk.errors import NodeError
from sdk.sampling import Sampler, Scheduler

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "KSAMPLER",
    "KSampler",
    "SchedulerHandler",
    "calc_cond_batch",
    "calc_cond_uncond_batch",
    "calculate_sigmas",
    "ksampler",
    "sample",
    "sampler_object",
]

_OF_OWN_CLASS = ("ddim", "uni_pc", "uni_pc_bh2")


def __getattr__(name: str) -> Any:
    """The lists of names, as they are now, and what packs add to them."""
    if name == "SAMPLER_NAMES":
        return KSampler.SAMPLERS
    if name == "SCHEDULER_NAMES":
        return KSampler.SCHEDULERS
    if name == "KSAMPLER_NAMES":
        return [name for name in KSampler.SAMPLERS if name not in _OF_OWN_CLASS]
    if name == "SCHEDULER_HANDLERS":
        return home().sampling.handlers
    if name == "k_diffusion_sampling":
        return importlib.import_module("comfy.k_diffusion.sampling")
    raise UnknownName(name)


class _Lists(type):
    """Class attributes that packs read, change, and put others in the place of."""

    @property
    def SAMPLERS(cls) -> NameList:  # noqa: N802  (packs know it by this name, as the following)
        """The names of samplers."""
        return home().sampling.samplers.refreshed()

    @SAMPLERS.setter
    def SAMPLERS(cls, names: Iterable[str]) -> None:  # noqa: N802
        home().sampling.samplers[:] = names

    @property
    def SCHEDULERS(cls) -> NameList:  # noqa: N802
        """The names of schedules."""
        return home().sampling.schedulers.refreshed()

    @SCHEDULERS.setter
    def SCHEDULERS(cls, names: Iterable[str]) -> None:  # noqa: N802
        home().sampling.schedulers[:] = names

    @property
    def DISCARD_PENULTIMATE_SIGMA_SAMPLERS(cls) -> set[str]:  # noqa: N802
        """The names of samplers that leave out the last but one level."""
        return home().sampling.dropping

    @DISCARD_PENULTIMATE_SIGMA_SAMPLERS.setter
    def DISCARD_PENULTIMATE_SIGMA_SAMPLERS(cls, names: Iterable[str]) -> None:  # noqa: N802
        home().sampling.dropping.update(names)


class KSampler(metaclass=_Lists):
    """A run of a model that is set up once and may be sampled several times.

    Attributes:
        model_options: what it samples with in place of the model's own; these, if there are none.
        sigmas: its noise levels, [steps + 1].
    """

    def __init__(
        self,
        model: Any,
        steps: int,
        device: Any,
        sampler: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.device, self.model_options = model, device, model_options
        self.sampler, self.scheduler = sampler or KSampler.SAMPLERS[0], scheduler or KSampler.SCHEDULERS[0]
        self.set_steps(steps, denoise)

    def set_steps(self, steps: int, denoise: float | None = None) -> None:
        """Run so many steps, which remove the given share of the noise."""
        from host.comfyui.surface.held_models import handle_of
        from host.comfyui.surface.sampling_runs import levels

        self.steps, self.denoise = steps, denoise
        model = handle_of(self.model, "Sampling")
        self.sigmas = levels(model, self.sampler, self.scheduler, steps, denoise, node_context("sampling"))

    def sample(
        self,
        noise: Tensor,
        positive: Any,
        negative: Any,
        cfg: float,
        latent_image: Tensor,
        start_step: int | None = None,
        last_step: int | None = None,
        force_full_denoise: bool = False,
        denoise_mask: Tensor | None = None,
        sigmas: Tensor | None = None,
        callback: Callable[..., Any] | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """The samples after the steps from ``start_step`` to ``last_step``, float32 on the CPU."""
        from host.comfyui.surface.sampling_runs import cut, run_on_levels

        levels = self.sigmas if sigmas is None else sigmas
        return run_on_levels(
            self.model,
            noise=noise,
            positive=positive,
            negative=negative,
            cfg=cfg,
            sampler=self.sampler,
            sigmas=cut(levels, start_step, last_step, to_the_end=force_full_denoise),
            latent=latent_image,
            mask=denoise_mask,
            callback=callback,
            seed=seed,
            options=self.model_options,
        )


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> Tensor:
    """The noise levels of a schedule, [steps + 1], for ``model.get_model_object("model_sampling")``."""
    sigmas: Tensor = _record("schedulers", scheduler_name).function(model_sampling, steps)
    return sigmas


def sampler_object(name: str) -> Sampler:
    """The sampler of that name, as it flows along SAMPLER links."""
    record: Sampler = _record("samplers", name)
    return record


def ksampler(
    sampler_name: str,
    extra_options: Mapping[str, Any] | None = None,
    inpaint_options: Mapping[str, Any] | None = None,
) -> Sampler:
    """The sampler of that name with options of its function."""
    from dataclasses import replace
    from functools import partial

    record = sampler_object(sampler_name)
    return replace(record, function=partial(record.function, **(extra_options or {})))


def KSAMPLER(  # noqa: N802  (packs call it by this name)
    sampler_function: Callable[..., Any],
    extra_options: Mapping[str, Any] | None = None,
    inpaint_options: Mapping[str, Any] | None = None,
) -> Sampler:
    """A sampler of a pack's own function ``(model, x, sigmas, extra_args, callback, disable, **options)``."""
    from host.comfyui.surface.sampling_runs import of_pack

    return of_pack(sampler_function, extra_options or {})


def sample(
    model: Any,
    noise: Tensor,
    positive: Any,
    negative: Any,
    cfg: float,
    device: Any,
    sampler: Sampler,
    sigmas: Tensor,
    model_options: Mapping[str, Any] | None = None,
    latent_image: Tensor | None = None,
    denoise_mask: Tensor | None = None,
    callback: Callable[..., Any] | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The samples after a run on these levels, float32 on the CPU.

    Args:
        model_options: what it samples with in place of the model's own; these, if there are none.
    """
    from host.comfyui.surface.sampling_runs import run_on_levels

    return run_on_levels(
        model,
        noise=noise,
        positive=positive,
        negative=negative,
        cfg=cfg,
        sampler=sampler,
        sigmas=sigmas,
        latent=noise * 0 if latent_image is None else latent_image,
        mask=denoise_mask,
        callback=callback,
        seed=seed,
        options=model_options,
    )


def calc_cond_batch(
    model: Any, conds: Sequence[Any], x_in: Tensor, timestep: Tensor, model_options: Mapping[str, Any]
) -> list[Tensor]:
    """The estimates of the clean latent for sides of the step under way; zeros for None.

    Only for functions that a pack puts into a model, with the ``cond``, ``uncond`` and level that these are told.

    Args:
        model: has no effect.
        model_options: those that the function is told, with what it adds to ``transformer_options``.
    """
    from host.comfyui.surface.model_rules import predicted

    return [x_in * 0 if side is None else predicted(side, x_in, timestep, model_options) for side in conds]


def calc_cond_uncond_batch(
    model: Any, cond: Any, uncond: Any, x_in: Tensor, timestep: Tensor, model_options: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """``calc_cond_batch`` for two sides, by its earlier name."""
    positive, negative = calc_cond_batch(model, [cond, uncond], x_in, timestep, model_options)
    return positive, negative


def _record(kind: str, name: str) -> Any:
    call = running()
    services = home().services() if call is None else call.context
    known: Mapping[str, Sampler | Scheduler]
    if services is not None:
        known = getattr(services, kind)
    else:
        from host.builtin_nodes.sampling import registry

        known = {record.name: record for record in (registry.SAMPLERS if kind == "samplers" else registry.SCHEDULERS)}
    if name not in known:
        raise NodeError(f"There is no {kind.removesuffix('s')} called {name!r}. Known are: {', '.join(known)}.")
    return known[name]
