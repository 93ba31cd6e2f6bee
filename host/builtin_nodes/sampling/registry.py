"""The built-in samplers and schedulers, in the order in which users see them.

Importing this module imports no torch: a record's function is looked up when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from host.builtin_nodes.sampling.traits import BROWNIAN_NOISE, CONTINUED_NOISE, OWN_MASK_NOISE
from sdk.sampling import Sampler, Scheduler


@dataclass(frozen=True)
class LazyFunction:
    """A function of a module of this package that is imported when it is called."""

    module: str
    name: str

    def resolve(self) -> Callable[..., Any]:
        """The function itself."""
        function: Callable[..., Any] = getattr(import_module(f"{__package__}.{self.module}"), self.name)
        return function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.resolve()(*args, **options)


def _sampler(name: str, module: str, *traits: str, function: str | None = None, drops: bool = False) -> Sampler:
    return Sampler(
        name=name,
        function=LazyFunction(f"samplers.{module}", function or f"sample_{name}"),
        drops_penultimate=drops,
        traits=frozenset(traits),
    )


def _scheduler(name: str) -> Scheduler:
    return Scheduler(name=name, function=LazyFunction("schedulers", f"{name}_schedule"))


SAMPLERS: tuple[Sampler, ...] = (
    _sampler("euler", "euler", CONTINUED_NOISE),
    _sampler("euler_ancestral", "ancestral"),
    _sampler("heun", "euler", CONTINUED_NOISE),
    _sampler("dpm_2", "dpm2", CONTINUED_NOISE, drops=True),
    _sampler("lms", "multistep"),
    _sampler("dpmpp_sde", "dpmpp", BROWNIAN_NOISE),
    _sampler("dpmpp_2m", "dpmpp"),
    _sampler("ddim", "euler", CONTINUED_NOISE, OWN_MASK_NOISE, function="sample_euler"),
)

SCHEDULERS: tuple[Scheduler, ...] = tuple(
    _scheduler(name)
    for name in (
        "simple",
        "sgm_uniform",
        "karras",
        "exponential",
        "ddim_uniform",
        "beta",
        "normal",
        "linear_quadratic",
        "kl_optimal",
    )
)
