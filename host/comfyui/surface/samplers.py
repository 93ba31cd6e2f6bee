"""``comfy.samplers``: the names of samplers and schedules, noise levels, and runs on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from host.comfyui import sampler_names
from host.comfyui.offered import UnknownName
from host.comfyui.running import node_context, running
from sdk.errors import NodeError
from sdk.sampling import Sampler, Scheduler

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KSAMPLER", "KSampler", "calculate_sigmas", "ksampler", "sample", "sampler_object"]

_OF_OWN_CLASS = ("ddim", "uni_pc", "uni_pc_bh2")


def __getattr__(name: str) -> Any:
    """The lists of names, as they are now."""
    if name == "SAMPLER_NAMES":
        return sampler_names.SAMPLERS.refreshed()
    if name == "SCHEDULER_NAMES":
        return sampler_names.SCHEDULERS.refreshed()
    if name == "KSAMPLER_NAMES":
        return [name for name in sampler_names.SAMPLERS.refreshed() if name not in _OF_OWN_CLASS]
    raise UnknownName(name)


class _Names:
    """A class attribute that is one of the lists of names."""

    def __init__(self, names: sampler_names.NameList) -> None:
        self._names = names

    def __get__(self, instance: object, owner: type) -> sampler_names.NameList:
        return self._names.refreshed()


class KSampler:
    """A run of a model that is set up once and may be sampled several times.

    Attributes:
        sigmas: its noise levels, [steps + 1].
    """

    SAMPLERS = _Names(sampler_names.SAMPLERS)
    SCHEDULERS = _Names(sampler_names.SCHEDULERS)
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS = frozenset(("dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"))

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
        self.model, self.device = model, device
        self.sampler, self.scheduler = sampler or self.SAMPLERS[0], scheduler or self.SCHEDULERS[0]
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
    """The samples after a run on these levels, float32 on the CPU."""
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
    )


def _record(kind: str, name: str) -> Any:
    from host.comfyui.home import home

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
